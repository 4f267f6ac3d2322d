"""Whole files to columns: truth, and results for its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from . import entries
from .boxes import tell_contradictions, tell_out_of_bounds
from .catalogue import Catalogue, read_catalogue
from .columns import Detections, GroundTruth
from .masks import Masks
from .matching import match_images
from .opening import FormatError, Opened, listed, named, read_file
from .rows import Annotation, Builder, Result, Rows
from .rules import Tally
from .segmentation import DAMAGED
from .stream import RAW, in_memory
from .values import Unusable

_NOWHERE = -(1 << 63)
_NO_RESULTS = (
    "results are a list of objects with image_id, category_id, score, and bbox or segmentation, or "
    "a COCO-format file whose annotations have scores, such as predictions.json"
)


def read_truth(path: str | Path) -> GroundTruth:
    """The annotations of a COCO- or LVIS-format file.

    Raises:
        FormatError, ZipSegError: as for ``read_file``; ``NoAnnotations`` for a test set's file.
    """
    truth = _as_truth(path, *read_file(path, _read_truth))
    tell_contradictions(path, "annotations", truth.box, truth.masks.boxes(), truth.masks.size)
    _tell_unmasked(path, "annotations", truth.box, truth.masks)
    return truth


def truth_from(content: object, source: str = "the annotations") -> GroundTruth:
    """The same of a file's content."""
    return _as_truth(source, *named(source, _read_truth, lambda: in_memory(content)))


def read_results(path: str | Path, truth: GroundTruth) -> Detections:
    """Results for the images of ``truth``: a list in COCO's format, or an object such as
    ``predictions.json`` and ``labels.json``, whose images and categories are matched by name.

    Where some results have masks, boxes stand in for those of the others. Masks are decoded when
    they are used; ``check_masks`` comes before.

    Raises:
        FormatError, ZipSegError: as for ``read_file``; a list's results for images or categories
            that ``truth`` does not list. Those of an object are left out with a warning, unless it
            has no others.
    """
    found, masks = _as_detections(path, *read_file(path, partial(_read_results, truth)))
    _tell_unmasked(path, "results", found.box, masks)
    return found


def results_from(content: object, truth: GroundTruth, source: str = "the results") -> Detections:
    """The same of a file's content."""
    read = partial(_read_results, truth)
    return _as_detections(source, *named(source, read, lambda: in_memory(content)))[0]


def _read_truth(opened: Opened) -> tuple[Catalogue, Rows, Tally]:
    tally = Tally()
    builder = Builder(Annotation)
    catalogue = read_catalogue(opened(), tally, annotations=builder.add)
    rows = builder.done(catalogue.known, tally, lambda: listed(opened(), "annotations", RAW))
    if catalogue.is_lvis:
        del tally["iscrowd"]  # its format has none
    return catalogue, rows, tally


def _as_truth(source: object, catalogue: Catalogue, rows: Rows, tally: Tally) -> GroundTruth:
    if rows.masks.present.any():
        tally["no mask"] = int((~rows.masks.present).sum())
    tally["no extent"] = _without_extent(rows.box)
    tally.tell(source)
    refuse_damaged(source, "annotations[{}]", rows.masks)
    images = sorted(catalogue.images, key=lambda image: image["id"])
    categories = sorted(catalogue.categories, key=lambda category: category["id"])
    return GroundTruth(
        np.array([image["id"] for image in images], np.int64),
        np.array([category["id"] for category in categories], np.int64),
        tuple(category["name"] for category in categories),
        tuple(str(category.get("frequency", "")) for category in categories),
        np.array([(i["height"], i["width"]) for i in images], np.int64).reshape(-1, 2),
        tuple(image.get("file_name", "") for image in images),
        *(rows.image, rows.category, rows.box, rows.value, rows.crowd, rows.masks),
        negative=_pairs(images, "neg_category_ids"),
        not_exhaustive=_pairs(images, "not_exhaustive_category_ids"),
    )


def _read_results(truth: GroundTruth, opened: Opened) -> tuple[Rows, Tally, str]:
    tally = Tally()
    builder = Builder(Result)
    first = next(opened(), None)
    if first is not None and first.key is None and first.list is not None:
        sizes = zip(truth.image_ids.tolist(), map(tuple, truth.size.tolist()), strict=True)
        known = entries.Known(dict(sizes), set(truth.category_ids.tolist()))
        entry, key, catalogue = "result {}", None, None
        for found in opened():
            builder.add(found.list)
    else:
        catalogue = read_catalogue(opened(), tally, _NO_RESULTS, builder.add)
        entry, key, known = "annotations[{}]", "annotations", catalogue.known
    rows = builder.done(known, tally, lambda: listed(opened(), key, RAW), entry)
    return _translated(rows, catalogue, truth, tally) if catalogue else rows, tally, entry


def _as_detections(
    source: object, rows: Rows, tally: Tally, entry: str
) -> tuple[Detections, Masks]:
    """The detections, and the masks that the file has."""
    present = rows.masks.present
    tally["no mask"] = int((~present).sum()) if present.any() else 0
    tally["score"] = int(((rows.value < 0) | (rows.value > 1)).sum())
    tally["no extent"] = _without_extent(rows.box)
    tally.tell(source)
    missing = np.isnan(rows.box[:, 0])
    if missing.any():
        refuse_damaged(source, entry, rows.masks)
        rows.box[missing] = rows.masks.boxes()[missing]
    masks = rows.masks.filled(rows.box) if present.any() else None
    columns = (rows.image, rows.category, rows.value, rows.box)
    return Detections(*columns, masks, str(source), entry), rows.masks


def check_masks(found: Detections) -> None:
    """What ``read_results`` leaves until masks are used: warns of boxes that contradict masks.

    Raises:
        FormatError: a mask is damaged; the message names the result.
    """
    refuse_damaged(found.source, found.entry, found.masks)
    tell_contradictions(found.source, "results", found.box, found.masks.boxes(), found.masks.size)


def refuse_damaged(source: object, entry: str, masks: Masks) -> None:
    """Raises FormatError, naming file and entry, for RLE that is not of its image's pixels."""
    rows = masks.damaged()
    if len(rows):
        raise FormatError(f"{source}: {entry.format(rows[0])}: {DAMAGED}")


def _without_extent(box: np.ndarray) -> int:
    return int((box[:, 2:] == 0).any(1).sum())


def _tell_unmasked(source: object, what: str, box: np.ndarray, masks: Masks) -> None:
    rows = np.flatnonzero(~masks.present)
    tell_out_of_bounds(source, what, box[rows], masks.size[rows])


def _pairs(images: Sequence[dict], key: str) -> np.ndarray:
    pairs = [(image["id"], category) for image in images for category in image.get(key) or ()]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _translated(rows: Rows, catalogue: Catalogue, truth: GroundTruth, tally: Tally) -> Rows:
    """The rows with the ids that ``truth`` has for their images and categories, those of others
    left out."""
    names = [(image["id"], image.get("file_name", "")) for image in catalogue.images]
    others = list(zip(truth.image_ids.tolist(), truth.file_names, strict=True))
    image_of = match_images(names, others)
    id_of = dict(zip(truth.names, truth.category_ids.tolist(), strict=True))
    category_of = {c["id"]: id_of.get(c["name"]) for c in catalogue.categories}
    sizes = dict(zip(truth.image_ids.tolist(), truth.size.tolist(), strict=True))
    for image in catalogue.images:
        own, other = [image["height"], image["width"]], sizes.get(image_of.get(image["id"]))
        if other is not None and own != other:
            raise Unusable(
                f"image {image['id']} ({image.get('file_name')}) is {own} (height, width), but "
                f"{other} in the annotations"
            )
    _tell_left_out(catalogue, image_of, category_of, len(truth.image_ids), tally)
    columns = []
    kept = np.ones(len(rows.image), bool)
    for ids, of in ((rows.image, image_of), (rows.category, category_of)):
        used, place = np.unique(ids, return_inverse=True)
        found = np.array([_NOWHERE if (o := of.get(i)) is None else o for i in used.tolist()])
        columns.append(found.astype(np.int64)[place])
        kept &= columns[-1] != _NOWHERE
    image, category = columns
    return Rows(
        *(c[kept] for c in (image, category, rows.box, rows.value, rows.crowd)),
        rows.masks.select(kept),
    )


def _tell_left_out(
    catalogue: Catalogue,
    image_of: Mapping[int, int],
    category_of: Mapping[int, int | None],
    images: int,
    tally: Tally,
) -> None:
    """Counts images and categories that one of the files lacks; raises Unusable if that is all.

    Args:
        images: how many the annotations have.
    """
    lacking = [c["name"] for c in catalogue.categories if category_of[c["id"]] is None]
    if not image_of:
        raise Unusable(
            "its images are not those of the annotations; both have to call them by the same names"
        )
    if lacking and len(lacking) == len(catalogue.categories):
        raise Unusable(
            "its categories are not those of the annotations; both have to call them by the same "
            "names"
        )
    tally["unlisted image"] = len(catalogue.images) - len(image_of)
    tally["unseen image"] = images - len(set(image_of.values()))
    tally["unlisted category"] = len(lacking)
