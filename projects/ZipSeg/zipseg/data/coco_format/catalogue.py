"""What a COCO-format file says besides its annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import entries
from .opening import NoList
from .rules import Tally
from .stream import EntryList, Section
from .values import Unusable

LISTS = ("images", "categories", "annotations")
_FORM = "a COCO-format file is an object with the lists images, annotations and categories"
# Members that give away whose format a file is of.
_TOOLS = {
    "LabelMe": {"shapes", "imagePath"},
    "VIA": {"_via_img_metadata"},
    "Supervisely": {"size", "objects"},
    "FiftyOne": {"samples"},
    "SuperAnnotate": {"metadata", "instances"},
    "V7 Darwin": {"item", "annotations"},
    "Datumaro": {"items", "categories"},
}


class Catalogue(NamedTuple):
    """What a file says besides its annotations.

    Attributes:
        images, categories: regular entries, see ``entries``, in the order of the file.
        rest: the other members of the object: ``info``, ``licenses`` and any more.
    """

    images: list[dict]
    categories: list[dict]
    rest: dict[str, Any]

    @property
    def known(self) -> entries.Known:
        """What annotations may refer to."""
        sizes = {image["id"]: (image["height"], image["width"]) for image in self.images}
        return entries.Known(sizes, {category["id"] for category in self.categories})

    @property
    def is_lvis(self) -> bool:
        """Whether the images have LVIS's federated lists; its annotations know no crowds."""
        return any("neg_category_ids" in image for image in self.images)


def read_catalogue(
    members: Iterable[Section],
    tally: Tally,
    otherwise: str = _FORM,
    annotations: Callable[[EntryList], None] = lambda found: None,
) -> Catalogue:
    """Images, categories and the rest of a COCO-format object.

    Args:
        otherwise: what the message says about a file of another form.
        annotations: gets the list of annotations in passing.

    Raises:
        Unusable: an entry that cannot be used, ids or names used twice, or not a COCO-format file.
    """
    images, categories, rest, seen, others = [], [], {}, set(), set()
    for key, value, found in members:
        if key is None:
            what = "a bare list, such as detection results" if found else "not a COCO-format file"
            raise Unusable(f"{what}; {otherwise}")
        others.add(key)
        if key not in LISTS:
            rest[key] = value if found is None else [entry for _, entry in _each(found)]
        elif found is not None:
            if key in seen:
                raise Unusable(f'has two lists "{key}"')
            seen.add(key)
        if key == "images" and found:
            images = [
                entries.image(f"images[{place}]", entry, tally) for place, entry in _each(found)
            ]
        if key == "annotations" and found:
            annotations(found)
        if key == "categories" and found:
            categories = [
                entries.category(f"categories[{place}]", entry, tally)
                for place, entry in _each(found)
            ]
    if any(isinstance(value, dict) and "regions" in value for value in rest.values()):
        others.add("_via_img_metadata")  # VIA's older format, by image
    if tool := next((name for name, keys in _TOOLS.items() if keys <= others), None):
        raise Unusable(f"a file of {tool}'s own format; export it in COCO's")
    for key in LISTS:
        if key not in seen:
            kind = NoList if key == "annotations" else Unusable
            raise kind(f'has no list "{key}"; {otherwise}')
    for key, kept in (("images", images), ("categories", categories)):
        refuse_twice(key, "id", [entry["id"] for entry in kept])
    refuse_twice("categories", "name", [category["name"] for category in categories])
    names = Counter(image["file_name"] for image in images if image.get("file_name"))
    tally["same file"] += sum(count - 1 for count in names.values())
    if not isinstance(rest.get("info") or {}, dict):
        raise Unusable('"info" is not an object')
    return Catalogue(images, categories, rest)


def refuse_twice(key: str, field: str, values: Sequence, places: Sequence[int] = ()) -> None:
    """Raises Unusable if a list's entries, at ``places`` or at all of them, share a value."""
    if len(set(values) if isinstance(values, list) else np.unique(values)) == len(values):
        return
    first: dict = {}
    for number, value in enumerate(values):
        if value in first:
            one, other = (places[i] if len(places) else i for i in (first[value], number))
            raise Unusable(f"{key}[{other}]: {field} {value!s} is used twice, by {key}[{one}] too")
        first[value] = number


def _each(found: EntryList) -> Iterator[tuple[int, Any]]:
    return (pair for batch in found.batches() for pair in enumerate(batch.plain(), batch.first))
