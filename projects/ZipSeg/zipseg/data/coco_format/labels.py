"""Labels as plain entries, for those who change them and write them again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ...utils.files import replacing_text
from . import entries
from .boxes import tell_contradictions, tell_out_of_bounds
from .catalogue import LISTS, read_catalogue
from .opening import FormatError, Opened, listed, read_file
from .rules import Tally
from .runs import Decoded
from .segmentation import DAMAGED, compressed, decoded
from .stream import Malformed, sections
from .values import Unusable, is_number

_WHOLE = ("id", "image_id", "category_id", "iscrowd")


def read_labels(path: str | Path) -> dict:
    """A COCO-format file, made uniform whatever tool wrote it.

    Masks become compressed RLE; what the format demands and the file lacks is filled in (see
    ``rules``), and a missing score is 1 (a human's label). Extra fields are kept, ``ignore`` aside.

    Returns:
        ``info``, ``licenses``, ``categories``, ``images``, ``annotations``; boxes are XYWH in
        pixels, every annotation has ``id``, ``bbox``, ``area``, ``iscrowd`` and ``score``.

    Raises:
        FormatError: naming the file and the first entry that cannot be used.
        ZipSegError: it cannot be read.
    """
    labels, tally, told = read_file(path, _read)
    tally.tell(path)
    tell_contradictions(path, "annotations", *told)
    tell_out_of_bounds(path, "annotations", *_unmasked(labels))
    return labels


def read_entries(path: str | Path) -> dict:
    """A COCO-format file's content as it is, but for ids and ``iscrowd``, which are whole numbers.

    Everything is looked at as ``read_labels`` does, so what passes here passes there.

    Raises:
        FormatError: naming the file and the first entry that cannot be used.
        ZipSegError: it cannot be read.
    """

    def read(opened: Opened) -> tuple[dict, Tally]:
        tally, annotations, masks = Tally(), [], []
        catalogue = read_catalogue(opened(), tally)
        known = catalogue.known
        for batch in listed(opened(), "annotations"):
            for place, entry in enumerate(batch.plain(), batch.first):
                mended = entries.annotation(f"annotations[{place}]", entry, known, tally)
                kept = {k: mended[k] for k in _WHOLE if entry.get(k) is not None}
                annotations.append({**entry, **kept})
                if isinstance(mask := mended.get("segmentation"), dict):
                    masks.append((place, mask))
        _refuse_damaged(masks)
        _ids(annotations)
        lists = {"images": catalogue.images, "categories": catalogue.categories}
        return {**catalogue.rest, **lists, "annotations": annotations}, tally

    content, tally = read_file(path, read)
    tally.tell(path)
    return content


def read_annotations(path: str | Path) -> Iterator[dict]:
    """The annotations of a file that this package has written, one in memory at a time, as is.

    Raises:
        ZipSegError: it cannot be read.
    """
    try:
        for batch in listed(sections(path), "annotations"):
            yield from batch.plain()
    except Malformed as error:
        raise FormatError(f"{path}: not a file of labels ({error})") from error


def write_labels(path: str | Path, labels: dict) -> None:
    """Writes a COCO-format dict, one entry a line, in place of an older file only when complete.

    Raises:
        CannotWrite: an older file is left as it was.
    """
    with replacing_text(path) as file:
        file.write("{" + f'"info": {json.dumps(labels.get("info", {}), sort_keys=True)}')
        file.write(f',\n"licenses": {json.dumps(labels.get("licenses", []))}')
        for key in LISTS:
            file.write(f',\n"{key}": ')
            write_list(file, labels[key])
        file.write("}\n")


def write_list(file: TextIO, items: Iterable[dict]) -> None:
    """JSON, one item a line, without holding the list."""
    separator = "[\n"
    for item in items:
        file.write(separator + json.dumps(item))
        separator = ",\n"
    file.write("[]" if separator == "[\n" else "\n]")


def _read(opened: Opened) -> tuple[dict, Tally, tuple[np.ndarray, ...]]:
    tally = Tally()
    catalogue = read_catalogue(opened(), tally)
    for place, image in enumerate(catalogue.images):
        if not image.get("file_name"):
            raise Unusable(f"images[{place}] has no file_name")
    known, annotations = catalogue.known, []
    for batch in listed(opened(), "annotations"):
        for place, entry in enumerate(batch.plain(), batch.first):
            annotations.append(_label(f"annotations[{place}]", entry, known, tally))
    _number(annotations, tally)
    if catalogue.is_lvis:
        del tally["iscrowd"]  # its format has none
    tally["score"] = sum(not 0 <= annotation["score"] <= 1 for annotation in annotations)
    tally["no extent"] = sum(0 in annotation["bbox"][2:] for annotation in annotations)
    told = _told(annotations)
    rest = {key: value for key, value in catalogue.rest.items() if key not in ("info", "licenses")}
    labels: dict[str, Any] = {
        "info": catalogue.rest.get("info") or {},
        "licenses": catalogue.rest.get("licenses") or [],
        **rest,
        "categories": catalogue.categories,
        "images": catalogue.images,
        "annotations": annotations,
    }
    return labels, tally, told


def _label(where: str, entry: object, known: entries.Known, tally: Tally) -> dict:
    label = entries.annotation(where, entry, known, tally)
    label.pop("ignore", None)
    if label.get("score") is None:
        label["score"] = 1.0
    elif not is_number(label["score"]):
        raise Unusable(f"{where}: score {label['score']!r} is not a number")
    if "segmentation" in label:
        label["segmentation"] = compressed(label["segmentation"], known.sizes[label["image_id"]])
    return label


def _number(annotations: list[dict], tally: Tally) -> None:
    """Gives all of them ids from 1 if one has none; raises Unusable as ``_ids`` does."""
    seen = _ids(annotations)
    if len(seen) < len(annotations):
        tally["missing id"] += len(annotations) - len(seen)
        for number, annotation in enumerate(annotations, 1):
            annotation["id"] = number


def _ids(annotations: list[dict]) -> set[int]:
    """All ids that there are; raises Unusable for one that is used twice."""
    seen: set[int] = set()
    for place, annotation in enumerate(annotations):
        identity = annotation.get("id")
        if identity in seen:
            raise Unusable(f"annotations[{place}]: id {identity} is used twice")
        if identity is not None:
            seen.add(identity)
    return seen


def _told(annotations: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes as given, those of the masks, and sizes, of all annotations with a mask."""
    rows = [n for n, annotation in enumerate(annotations) if "segmentation" in annotation]
    found = _refuse_damaged([(row, annotations[row]["segmentation"]) for row in rows])
    box = np.array([annotations[row]["bbox"] for row in rows], np.float64).reshape(-1, 4)
    size = [annotations[row]["segmentation"]["size"] for row in rows]
    return box, found.box, np.array(size, np.int64).reshape(-1, 2)


def _unmasked(labels: dict) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of annotations without a mask, and the sizes of their images."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in labels["images"]}
    rows = [a for a in labels["annotations"] if "segmentation" not in a]
    box = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    size = [sizes[row["image_id"]] for row in rows]
    return box, np.array(size, np.int64).reshape(-1, 2)


def _refuse_damaged(masks: list[tuple[int, dict]]) -> Decoded:
    """What the RLEs of some annotations, by their places, tell; raises Unusable."""
    found = decoded([mask for _, mask in masks])
    if found.damaged.any():
        raise Unusable(f"annotations[{masks[int(found.damaged.argmax())][0]}]: {DAMAGED}")
    return found
