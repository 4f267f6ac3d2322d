"""Labels in COCO's format: written by this package, or corrected with somebody else's tool."""

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import numpy as np
from pycocotools import mask as mask_util

from ..utils.errors import ZipSegError
from ..utils.files import replacing_text

_LISTS = ("images", "categories", "annotations")
_LONGEST = 1 << 20  # pixels; pycocotools walks along the edges of polygons pixel by pixel


def read_labels(path: str | Path) -> dict:
    """A COCO-format file, made uniform whatever tool wrote it.

    Polygons and uncompressed RLE become compressed RLE; missing ``bbox``, ``area``, ``iscrowd``,
    ``id`` and ``info`` are filled in, and a missing score is 1 (a human's label). Polygons of fewer
    than three points are dropped. LVIS's images get a ``file_name`` such as "train2017/1.jpg".
    Extra fields are kept.

    Returns:
        ``info``, ``licenses``, ``categories``, ``images``, ``annotations``; boxes are XYWH in
        pixels, every annotation has ``id``, ``bbox``, ``area``, ``iscrowd`` and ``score``.

    Raises:
        LabelFileError: naming the file and the first entry that cannot be used.
    """
    try:
        labels = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LabelFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # broken UTF-8 is a ValueError too
        raise LabelFileError(f"{path}: not a JSON file ({error})") from error
    try:
        return _uniform(labels)
    except _Unusable as error:
        raise LabelFileError(f"{path}: {error}") from error


def write_labels(path: str | Path, labels: dict) -> None:
    """Writes a COCO-format dict, one entry a line, in place of an older file only when complete.

    Raises:
        CannotWrite: an older file is left as it was.
    """
    with replacing_text(path) as file:
        file.write("{" + f'"info": {json.dumps(labels.get("info", {}), sort_keys=True)}')
        file.write(f',\n"licenses": {json.dumps(labels.get("licenses", []))}')
        for key in _LISTS:
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


class LabelFileError(ZipSegError):
    """A file of labels that cannot be used; the message starts with its path."""


class _Unusable(Exception):
    pass


def _uniform(labels: object) -> dict:
    if isinstance(labels, list):
        raise _Unusable("a bare list, such as detection results; a COCO-format file is an object")
    if not isinstance(labels, dict):
        raise _Unusable("not a COCO-format file, which is an object")
    for key in _LISTS:
        if not isinstance(labels.get(key), list):
            raise _Unusable(f'has no list "{key}"')
        for place, entry in enumerate(labels[key]):
            if not isinstance(entry, dict):
                raise _Unusable(f"{key}[{place}] is not an object")
    if not isinstance(labels.get("info") or {}, dict):
        raise _Unusable('"info" is not an object')
    sizes = {}
    for place, image in enumerate(labels["images"]):
        where = f"images[{place}]"
        sizes[_new_id(where, image, sizes)] = tuple(
            _size(where, image, k) for k in ("height", "width")
        )
        if "file_name" not in image and isinstance(image.get("coco_url"), str):
            image["file_name"] = "/".join(image["coco_url"].split("/")[-2:])
        _text(where, image, "file_name")
    categories: set = set()
    for place, category in enumerate(labels["categories"]):
        categories.add(_new_id(f"categories[{place}]", category, categories))
        _text(f"categories[{place}]", category, "name")
    annotations = [
        _annotation(f"annotations[{place}]", annotation, sizes, categories)
        for place, annotation in enumerate(labels["annotations"])
    ]
    ids = {a["id"] for a in annotations if _is_id(a.get("id"))}
    if len(ids) < len(annotations):
        annotations = [{**a, "id": number} for number, a in enumerate(annotations, 1)]
    rest = {"info": labels.get("info") or {}, "licenses": labels.get("licenses") or []}
    return {**labels, **rest, "annotations": annotations}


def _new_id(where: str, entry: dict, known: Iterable) -> int:
    if not _is_id(entry.get("id")):
        raise _Unusable(f"{where} has no whole-number id")
    if entry["id"] in known:
        raise _Unusable(f"{where}: id {entry['id']} is used twice")
    return entry["id"]


def _text(where: str, entry: dict, key: str) -> None:
    if not isinstance(entry.get(key), str):
        raise _Unusable(f"{where} has no {key}")
    try:
        os.fsencode(entry[key])  # file names that are no Unicode are fine, half a character is not
    except UnicodeEncodeError as error:
        raise _Unusable(f"{where}: {key} {entry[key]!r} is not text ({error.reason})") from error


def _size(where: str, image: dict, key: str) -> int:
    value = image.get(key)
    if not _is_number(value) or value != int(value) or not 0 < value < _LONGEST:
        raise _Unusable(f"{where}: {key} is {value!r}, not a number of pixels")
    return int(value)


def _annotation(where: str, annotation: dict, sizes: dict, categories: set) -> dict:
    for key, known in (("image_id", sizes), ("category_id", categories)):
        value = annotation.get(key)
        if not _is_id(value) or value not in known:
            raise _Unusable(f"{where}: {key} {value!r} is not among the file's")
    result = {k: v for k, v in annotation.items() if k not in ("segmentation", "ignore")}
    rle = _rle(where, annotation.get("segmentation"), *sizes[annotation["image_id"]])
    box = annotation.get("bbox")
    if rle is not None:
        result["segmentation"] = rle
        area = float(mask_util.area(rle))
        box = mask_util.toBbox(rle).tolist() if box is None else box
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise _Unusable(f"{where}: bbox is {box!r}, not four numbers, and there is no mask")
    if min(box[2:]) < 0:
        raise _Unusable(f"{where}: bbox {box} has a negative size; COCO's order is x, y, w, h")
    result |= {"bbox": box, "area": area if rle else box[2] * box[3]}
    score = 1.0 if annotation.get("score") is None else annotation["score"]
    if not _is_number(score):
        raise _Unusable(f"{where}: score {score!r} is not a number")
    return {**result, "score": score, "iscrowd": int(bool(annotation.get("iscrowd", 0)))}


def _rle(where: str, mask: object, height: int, width: int) -> dict | None:
    if isinstance(mask, dict):
        counts = mask.get("counts")
        if mask.get("size") != [height, width]:
            raise _Unusable(f"{where}: RLE of size {mask.get('size')}, image of {[height, width]}")
        if isinstance(counts, list):
            if not all(_is_id(x) and x >= 0 for x in counts):
                raise _Unusable(f"{where}: RLE counts that are not whole numbers")
            runs = np.array(counts, np.int64)
        elif isinstance(counts, str) and counts.isascii():
            runs = _runs(counts.encode())
        else:
            raise _Unusable(f"{where}: RLE without counts")
        if runs.sum() != height * width or (runs < 0).any():
            raise _Unusable(f"{where}: damaged RLE, it does not cover the image exactly")
        if isinstance(counts, str):
            return {"size": [height, width], "counts": counts}
        rle = mask_util.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    elif isinstance(mask, list):
        polygons = (
            [mask] if mask and _is_number(mask[0]) else mask
        )  # some tools forget the outer list
        for polygon in polygons:
            if (
                not isinstance(polygon, list)
                or len(polygon) % 2
                or not all(map(_is_number, polygon))
            ):
                raise _Unusable(f"{where}: a polygon that is not x, y, x, y, ... in numbers")
            if polygon and max(map(abs, polygon)) > _LONGEST:
                raise _Unusable(f"{where}: a polygon far outside of the image")
        polygons = [polygon for polygon in polygons if len(polygon) >= 6]
        if not polygons:
            return None
        rle = mask_util.merge(mask_util.frPyObjects(polygons, height, width))
    elif mask is None:
        return None
    else:
        raise _Unusable(f"{where}: segmentation is neither polygons nor RLE")
    return {"size": [height, width], "counts": rle["counts"].decode()}


def _runs(counts: bytes) -> np.ndarray:
    """Run lengths of COCO's compressed RLE: 5 bits a character from the lowest, 0x20 where more
    follow, two's complement, from the third on as differences to the last but one."""
    values = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if not len(values) or values.min() < 0 or values.max() > 63 or values[-1] & 32:
        return np.array([-1])
    last = np.flatnonzero(values & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    if (last - first).max() > 6:
        return np.array([-1])
    place = np.arange(len(values)) - np.repeat(first, last - first + 1)
    runs = np.add.reduceat((values & 31) << (5 * place), first)
    runs -= np.where(values[last] & 16, 1 << (5 * (last - first + 1)), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _is_id(value: object) -> bool:
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def _is_number(value: object) -> bool:
    return _is_id(value) or (type(value) is float and math.isfinite(value))
