"""COCO- and LVIS-format annotations and results as columns: evaluation is array arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from ..utils.errors import ZipSegError


def to_rle(segmentation: Any, height: int, width: int) -> dict:
    """Polygons (lists [x0, y0, ...] in pixels), uncompressed or compressed RLE -> the latter."""
    if isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            return mask_utils.frPyObjects(segmentation, height, width)
        return segmentation
    return mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))


@dataclass(frozen=True)
class GroundTruth:
    """The annotations of I images over K categories, G objects.

    Attributes:
        image_ids: int64 [I], ascending.
        category_ids: int64 [K], ascending. names, frequency: [K] likewise, the latter LVIS's
            "r", "c", "f" or "".
        size: int64 [I, 2], height and width in pixels.
        image, category: int64 [G], the objects' ids (not indices).
        box: float64 [G, 4], XYWH in pixels.
        area: float64 [G], pixels, as the file says (mask area where it does not say).
        crowd: bool [G], regions that may match many detections and count for none.
        segmentation: G polygon lists or RLEs, or None for an object without a mask.
        negative, not_exhaustive: bool [I, K], LVIS's federated lists (all False elsewhere).
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    names: tuple[str, ...]
    frequency: tuple[str, ...]
    size: np.ndarray
    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    segmentation: tuple[Any, ...]
    negative: np.ndarray
    not_exhaustive: np.ndarray

    @classmethod
    def from_coco(cls, dataset: dict, source: str = "the annotation file") -> GroundTruth:
        """Columns of a COCO- or LVIS-format dict; ``info``, ``licenses``, ``iscrowd``, ``area`` and
        annotation ids may be missing.

        Raises:
            ZipSegError: naming ``source``, if images, annotations or categories are missing or an
                annotation refers to an image or category that is not there.
        """
        missing = {"images", "annotations", "categories"} - set(dataset)
        if missing:
            raise ZipSegError(f"{source} is no COCO-format annotation file: no {sorted(missing)}")
        images = sorted(dataset["images"], key=lambda image: image["id"])
        categories = sorted(dataset["categories"], key=lambda category: category["id"])
        annotations = dataset["annotations"]
        image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        category_ids = np.array([category["id"] for category in categories], dtype=np.int64)
        size = np.array([(i["height"], i["width"]) for i in images], dtype=np.int64).reshape(-1, 2)
        image = np.array([a["image_id"] for a in annotations], dtype=np.int64)
        category = np.array([a["category_id"] for a in annotations], dtype=np.int64)
        for what, ids, known in (("image", image, image_ids), ("category", category, category_ids)):
            if unknown := np.setdiff1d(ids, known).tolist():
                raise ZipSegError(f"{source}: annotations of unlisted {what} ids {unknown[:5]}")
        rows = np.searchsorted(image_ids, image)
        segmentation = tuple(a.get("segmentation") or None for a in annotations)
        box = np.zeros((len(annotations), 4))
        area = np.zeros(len(annotations))
        for n, annotation in enumerate(annotations):
            rle = None
            if segmentation[n] is not None and not {"bbox", "area"} <= annotation.keys():
                rle = to_rle(segmentation[n], *size[rows[n]].tolist())
            if "bbox" not in annotation and rle is None:
                raise ZipSegError(f"{source}: annotation {n} has neither bbox nor segmentation")
            box[n] = annotation["bbox"] if "bbox" in annotation else mask_utils.toBbox(rle)
            fallback = mask_utils.area(rle) if rle is not None else box[n, 2] * box[n, 3]
            area[n] = annotation.get("area", fallback)
        return cls(
            image_ids,
            category_ids,
            names=tuple(str(c.get("name", c["id"])) for c in categories),
            frequency=tuple(c.get("frequency", "") for c in categories),
            size=size,
            image=image,
            category=category,
            box=box,
            area=area,
            crowd=np.array([a.get("iscrowd", 0) == 1 for a in annotations], dtype=bool),
            segmentation=segmentation,
            negative=_category_lists(images, category_ids, "neg_category_ids"),
            not_exhaustive=_category_lists(images, category_ids, "not_exhaustive_category_ids"),
        )

    @property
    def image_index(self) -> np.ndarray:
        """int64 [G], each object's image as a place in ``image_ids``."""
        return np.searchsorted(self.image_ids, self.image)

    @property
    def category_index(self) -> np.ndarray:
        """int64 [G], each object's category as a place in ``category_ids``."""
        return np.searchsorted(self.category_ids, self.category)

    @cached_property
    def rles(self) -> list[dict]:
        """G compressed RLEs; an object without a segmentation gets its box as a polygon."""
        sizes = self.size[self.image_index].tolist()
        return [
            to_rle([_box_polygon(box)] if s is None else s, h, w)
            for s, box, (h, w) in zip(self.segmentation, self.box, sizes, strict=True)
        ]

    def select_images(self, image_ids: Sequence[int]) -> GroundTruth:
        """Only the listed images (ids) and their objects."""
        keep = np.isin(self.image_ids, image_ids)
        selected = self._select_objects(np.isin(self.image, self.image_ids[keep]))
        return replace(
            selected,
            image_ids=self.image_ids[keep],
            size=self.size[keep],
            negative=self.negative[keep],
            not_exhaustive=self.not_exhaustive[keep],
        )

    def select_categories(self, names: Sequence[str]) -> GroundTruth:
        """Only the named categories and their objects; all images stay."""
        keep = np.isin(self.names, list(names))
        selected = self._select_objects(np.isin(self.category, self.category_ids[keep]))
        return replace(
            selected,
            category_ids=self.category_ids[keep],
            names=tuple(np.array(self.names)[keep].tolist()),
            frequency=tuple(np.array(self.frequency)[keep].tolist()),
            negative=self.negative[:, keep],
            not_exhaustive=self.not_exhaustive[:, keep],
        )

    def _select_objects(self, keep: np.ndarray) -> GroundTruth:
        return replace(
            self,
            image=self.image[keep],
            category=self.category[keep],
            box=self.box[keep],
            area=self.area[keep],
            crowd=self.crowd[keep],
            segmentation=tuple(self.segmentation[i] for i in np.flatnonzero(keep)),
        )


@dataclass(frozen=True)
class Detections:
    """D detections, in the order of the results file.

    Attributes:
        image, category: int64 [D], ids as in the annotation file.
        score: float64 [D].
        box: float64 [D, 4], XYWH in pixels.
        rles: D RLEs, or None if the results have boxes only.
    """

    image: np.ndarray
    category: np.ndarray
    score: np.ndarray
    box: np.ndarray
    rles: list[dict] | None

    @classmethod
    def from_results(
        cls, results: list[dict], truth: GroundTruth, source: str = "the results"
    ) -> Detections:
        """Columns of a COCO-format list of results (``bbox``, or ``segmentation``, or both).

        Raises:
            ZipSegError: naming ``source`` and the first offender, if a result names an image or
                category that ``truth`` lacks, or a score or box is not finite.
        """
        image = np.array([r["image_id"] for r in results], dtype=np.int64)
        category = np.array([r["category_id"] for r in results], dtype=np.int64)
        score = np.array([r["score"] for r in results], dtype=np.float64)
        has_masks = bool(results) and all("segmentation" in r for r in results)
        rles = [r["segmentation"] for r in results] if has_masks else None
        if has_masks and not all("bbox" in r for r in results):
            box = mask_utils.toBbox(rles)
        else:
            box = np.array([r["bbox"] for r in results], dtype=np.float64).reshape(-1, 4)
        for what, bad in (
            ("an image that the annotations lack", ~np.isin(image, truth.image_ids)),
            ("a category that the annotations lack", ~np.isin(category, truth.category_ids)),
            ("a score or box that is not finite", ~np.isfinite(score + box.sum(1))),
        ):
            if bad.any():
                raise ZipSegError(f"{source}: result {int(bad.argmax())} has {what}")
        return cls(image, category, score, box, rles)

    def judged(self, truth: GroundTruth) -> np.ndarray:
        """Rows of the images and categories that ``truth`` holds: int64, ascending."""
        known = np.isin(self.image, truth.image_ids) & np.isin(self.category, truth.category_ids)
        return np.flatnonzero(known)

    def judged_federated(self, truth: GroundTruth, iou_type: str, max_dets: int) -> np.ndarray:
        """The same under LVIS's rules: of an image's best ``max_dets`` those that are not empty and
        whose category is annotated in the image or listed as absent from it.
        """
        rows = self.judged(truth)
        rows = rows[np.lexsort((-self.score[rows], self.image[rows]))]
        rows = np.sort(rows[rank_in_runs(self.image[rows]) < max_dets])
        verified = truth.negative.copy()
        verified[truth.image_index, truth.category_index] = True
        image = np.searchsorted(truth.image_ids, self.image[rows])
        category = np.searchsorted(truth.category_ids, self.category[rows])
        return rows[verified[image, category] & (self.area(iou_type)[rows] > 0)]

    def area(self, iou_type: str) -> np.ndarray:
        """Float64 [D] in pixels: of the masks for "segm", of the boxes for "bbox"."""
        if iou_type == "segm":
            return _mask_areas(self.rles or [])
        return self.box[:, 2] * self.box[:, 3]


def rank_in_runs(values: np.ndarray) -> np.ndarray:
    """[N] with equal values side by side -> place of each in its run, from 0: int64 [N]."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))


def _mask_areas(rles: list[dict]) -> np.ndarray:
    # pycocotools overflows on more than 255 masks at once with numpy 2.
    parts = [mask_utils.area(rles[i : i + 255]) for i in range(0, len(rles), 255)]
    return np.concatenate([np.zeros(0), *parts])


def _category_lists(images: list[dict], category_ids: np.ndarray, key: str) -> np.ndarray:
    member = np.zeros((len(images), len(category_ids)), dtype=bool)
    for row, image in zip(member, images, strict=True):
        row |= np.isin(category_ids, image[key]) if image.get(key) else False
    return member


def _box_polygon(box: np.ndarray) -> list[float]:
    x, y, w, h = box.tolist()
    return [x, y, x, y + h, x + w, y + h, x + w, y]
