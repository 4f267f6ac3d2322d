"""One image, category, annotation or result at a time: mended by the rules, or refused.

``masks`` and ``columns`` take regular entries in at a high rate; whatever is not regular comes
through here. Every refusal names the entry and the field.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from .rules import Tally
from .runs import Decoded
from .segmentation import DAMAGED, Size, compressed, decoded, mended
from .values import LONGEST, Unusable, as_whole, is_number

_CROWDS = {0: 0, 1: 1, "0": 0, "1": 1, "false": 0, "true": 1, "False": 0, "True": 1}


def as_object(where: str, entry: object) -> dict:
    """The entry if it is a JSON object; raises Unusable."""
    if not isinstance(entry, dict):
        raise Unusable(f"{where} is not an object")
    return entry


def image(where: str, entry: object, tally: Tally) -> dict:
    """An image's entry with ``id``, ``height``, ``width`` as integers, and, if there is one, a
    ``file_name``: LVIS's such as "train2017/1.jpg".

    Raises:
        Unusable: one of them is missing or unusable.
    """
    entry = as_object(where, entry)
    result = {**entry, "id": _id(where, entry, "id", tally)}
    for key in ("height", "width"):
        value = entry.get(key)
        if not is_number(value) or value != int(value) or not 0 < value < LONGEST:
            raise Unusable(f"{where}: {key} is {_shown(value)}, not a number of pixels")
        result[key] = int(value)
    name = entry.get("file_name")
    if name is None and isinstance(entry.get("coco_url"), str):
        name = "/".join(entry["coco_url"].split("/")[-2:])
    if name is not None:
        result["file_name"] = text(where, "file_name", name)
    return result


def category(where: str, entry: object, tally: Tally) -> dict:
    """A category's entry with ``id`` as an integer and a ``name`` without space around it; raises
    Unusable."""
    entry = as_object(where, entry)
    if entry.get("name") is None:
        raise Unusable(f"{where} has no name")
    name = text(where, "name", entry["name"]).strip()
    if not name:
        raise Unusable(f"{where}: name is empty")
    tally["name"] += name != entry["name"]
    return {**entry, "id": _id(where, entry, "id", tally), "name": name}


def text(where: str, key: str, value: object) -> str:
    """The value if it is text that the file system can write; raises Unusable."""
    if not isinstance(value, str):
        raise Unusable(f"{where}: {key} is {_shown(value)}, not text")
    try:
        os.fsencode(value)  # file names that are no Unicode are fine, half a character is not
        if "\0" in value:
            raise Unusable(f"{where}: {key} {value!r} is not text (it has a NUL character)")
    except UnicodeEncodeError as error:
        raise Unusable(f"{where}: {key} {value!r} is not text ({error.reason})") from error
    return value


class Known(NamedTuple):
    """What annotations and results may refer to."""

    sizes: Mapping[int, Size]  # of each image
    categories: Collection[int]


def annotation(where: str, entry: object, known: Known, tally: Tally) -> dict:
    """An annotation's entry with every field regular.

    Returns:
        ``image_id``, ``category_id`` and, if given, ``id`` are integers, ``bbox`` four numbers,
        ``area`` a number, ``iscrowd`` 0 or 1; ``segmentation`` is a list of polygons of at least
        three points, compressed RLE of the image's size, or not there. Other fields are kept.

    Raises:
        Unusable: it cannot be mended.
    """
    entry = as_object(where, entry)
    result = _placed(where, entry, known, tally)
    if "bbox" not in entry:
        tally["box"] += 1
    if entry.get("id") is None:
        result.pop("id", None)
    else:
        result["id"] = _id(where, entry, "id", tally)
    area = entry.get("area")
    if area is None:
        mask, size = result.get("segmentation"), known.sizes[result["image_id"]]
        width, height = result["bbox"][2:]
        result["area"] = width * height
        if mask is not None:
            result["area"] = float(_told(where, mask, size).area[0])
        tally["area"] += 1
    elif not is_number(area) or area < 0:
        raise Unusable(f"{where}: area is {_shown(area)}, not a number of pixels")
    result["iscrowd"] = _crowd(where, entry.get("iscrowd"), tally)
    return result


def result(where: str, entry: object, known: Known, tally: Tally) -> dict:
    """A result's entry, regular like an annotation's, with a ``score`` and without polygons; one
    with a mask needs no box.

    Raises:
        Unusable: it cannot be mended.
    """
    entry = as_object(where, entry)
    if not is_number(entry.get("score")):
        shown = "has no score" if entry.get("score") is None else f"score {entry['score']!r}"
        raise Unusable(f"{where}: {shown}; results need a number each to be ranked by")
    result = _placed(where, entry, known, tally)
    mask = result.get("segmentation")
    if isinstance(mask, list):
        tally["polygon"] += 1
        result["segmentation"] = compressed(mask, known.sizes[result["image_id"]])
    elif mask is not None and isinstance(entry["segmentation"].get("counts"), list):
        tally["uncompressed"] += 1
    return result


def _placed(where: str, entry: dict, known: Known, tally: Tally) -> dict:
    """The entry with image, category, mask and box made regular."""
    if "segments_info" in entry:
        raise Unusable(f"{where}: is of COCO's panoptic format; give a file of instances")
    result = dict(entry)
    for key, listed, what in (
        ("image_id", known.sizes, "images"),
        ("category_id", known.categories, "categories"),
    ):
        result[key] = _id(where, entry, key, tally)
        if result[key] not in listed:
            raise Unusable(f"{where}: {key} {result[key]} is not among the {what} listed")
    size = known.sizes[result["image_id"]]
    result["segmentation"] = mask = mended(where, entry.get("segmentation"), size, tally)
    if mask is None:
        del result["segmentation"]
    box = entry.get("bbox")
    if box is None or box == []:
        if mask is None:
            raise Unusable(f"{where}: has neither bbox nor segmentation")
        result["bbox"] = _told(where, mask, size).box[0].tolist()
        tally["box"] += "bbox" in entry
    elif not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise Unusable(f"{where}: bbox is {_shown(box)}, not four numbers")
    elif min(box[2:]) < 0:
        raise Unusable(f"{where}: bbox {box} has a negative size; COCO's order is x, y, w, h")
    return result


def _told(where: str, mask: list | dict, size: Size) -> Decoded:
    """Area and box of one mask; raises Unusable if it is damaged."""
    found = decoded([compressed(mask, size)])
    if found.damaged[0]:
        raise Unusable(f"{where}: {DAMAGED}")
    return found


def _id(where: str, entry: dict, key: str, tally: Tally) -> int:
    value = entry.get(key)
    whole = as_whole(value)
    if whole is None:
        shown = f"has no {key}" if value is None else f"{key} {_shown(value)} is no whole number"
        if type(value) in (int, float) and value == value // 1:
            shown += " that 64 bits hold exactly"
        raise Unusable(f"{where}: {shown}")
    tally["id"] += type(value) is not int
    return whole


def _crowd(where: str, value: Any, tally: Tally) -> int:
    if value is None:
        tally["iscrowd"] += 1
        return 0
    if not isinstance(value, str | int | float) or value not in _CROWDS:
        raise Unusable(f"{where}: iscrowd is {_shown(value)}, neither 0 nor 1")
    tally["crowd word"] += type(value) is not int
    return _CROWDS[value]


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) < 80 else f"{shown[:70]} ..."
