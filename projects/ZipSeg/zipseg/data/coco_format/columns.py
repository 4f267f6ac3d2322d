"""COCO- and LVIS-format annotations and results as columns: evaluation is array arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .masks import Masks


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The annotations of I images over K categories, G objects.

    Attributes:
        image_ids: int64 [I], ascending.
        category_ids: int64 [K], ascending. names, frequency: [K] likewise, the latter LVIS's
            "r", "c", "f" or "".
        size: int64 [I, 2], height and width in pixels.
        file_names: [I], as the file has them, "" where it has none.
        image, category: int64 [G], the objects' ids (not indices).
        box: float64 [G, 4], XYWH in pixels.
        area: float64 [G], pixels, as the file says (mask or box area where it does not say).
        crowd: bool [G], regions that may match many detections and count for none.
        masks: [G], an object's may be missing.
        negative, not_exhaustive: int64 [*, 2], LVIS's federated lists as pairs of an image's and a
            category's id (none elsewhere).
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    names: tuple[str, ...]
    frequency: tuple[str, ...]
    size: np.ndarray
    file_names: tuple[str, ...]
    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    masks: Masks
    negative: np.ndarray
    not_exhaustive: np.ndarray

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
        """G compressed RLEs; an object without a mask gets its box as a polygon."""
        return list(self.masks.filled(self.box))

    def pair(self, image: np.ndarray, category: np.ndarray) -> np.ndarray:
        """int64, one number for each pair of an image's and a category's id."""
        places = np.searchsorted(self.image_ids, image) * len(self.category_ids)
        return places + np.searchsorted(self.category_ids, category)

    def select_images(self, image_ids: Sequence[int]) -> GroundTruth:
        """Only the listed images (ids) and their objects."""
        keep = np.isin(self.image_ids, image_ids)
        ids = self.image_ids[keep]
        selected = self._select_objects(np.isin(self.image, ids))
        return replace(
            selected,
            image_ids=ids,
            size=self.size[keep],
            file_names=tuple(self.file_names[i] for i in np.flatnonzero(keep)),
            negative=self.negative[np.isin(self.negative[:, 0], ids)],
            not_exhaustive=self.not_exhaustive[np.isin(self.not_exhaustive[:, 0], ids)],
        )

    def select_categories(self, names: Sequence[str]) -> GroundTruth:
        """Only the named categories and their objects; all images stay."""
        keep = np.isin(self.names, list(names))
        ids = self.category_ids[keep]
        selected = self._select_objects(np.isin(self.category, ids))
        return replace(
            selected,
            category_ids=ids,
            names=tuple(np.array(self.names)[keep].tolist()),
            frequency=tuple(np.array(self.frequency)[keep].tolist()),
            negative=self.negative[np.isin(self.negative[:, 1], ids)],
            not_exhaustive=self.not_exhaustive[np.isin(self.not_exhaustive[:, 1], ids)],
        )

    def _select_objects(self, keep: np.ndarray) -> GroundTruth:
        return replace(
            self,
            image=self.image[keep],
            category=self.category[keep],
            box=self.box[keep],
            area=self.area[keep],
            crowd=self.crowd[keep],
            masks=self.masks.select(keep),
        )


@dataclass(frozen=True, eq=False)
class Detections:
    """D detections, in the order of the results file.

    Attributes:
        image, category: int64 [D], ids as in the annotation file.
        score: float64 [D].
        box: float64 [D, 4], XYWH in pixels.
        masks: [D], none missing; None if the results have boxes only.
        source, entry: the file, and how messages call a row of it by its number.
    """

    image: np.ndarray
    category: np.ndarray
    score: np.ndarray
    box: np.ndarray
    masks: Masks | None
    source: str = "the results"
    entry: str = "result {}"

    def select(self, rows: np.ndarray) -> Detections:
        """Those at ``rows``, int64 or bool."""
        masks = None if self.masks is None else self.masks.select(rows)
        columns = (c[rows] for c in (self.image, self.category, self.score, self.box))
        return Detections(*columns, masks, self.source, self.entry)
