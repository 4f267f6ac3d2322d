"""Is one run better than another? A paired bootstrap over images says how sure one can be.

Both runs are evaluated on the same resamples of the images, so that hard images cancel out (Efron
and Tibshirani, "An introduction to the bootstrap", chapter 13: percentile interval).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..utils.errors import ZipSegError
from .matching import Matches
from .precision import average_precision

_THRESHOLDS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}


class Interval(NamedTuple):
    """The difference of a metric between two runs, second minus first, in percent.

    Attributes:
        difference: on the images as they are.
        low, high: the interval that holds the given share of the resampled differences.
        better: share of the resamples in which the second run is better.
    """

    difference: float
    low: float
    high: float
    better: float


def resample_images(count: int, samples: int, seed: int = 0) -> np.ndarray:
    """How often each of ``count`` images is drawn: float64 [samples, count], rows sum to count."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=samples).astype(float)


def same_objects(first: Matches, second: Matches) -> bool:
    """Whether two runs were evaluated on the same images and annotations, by whatever name."""
    return first.names == second.names and all(
        np.array_equal(getattr(first, key), getattr(second, key))
        for key in ("image_ids", "truth_image", "truth_category", "truth_ignored")
    )


def paired_bootstrap(
    first: Matches,
    second: Matches,
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Intervals of the differences of AP, AP50 and AP75, over all categories and each group.

    Args:
        groups: ending of a metric's name -> its categories; by default all under "".

    Returns:
        metric's name, such as "AP50" or "AP_novel" -> interval; metrics without objects are absent.

    Raises:
        ZipSegError: if the runs were not evaluated on the same objects.
    """
    if not same_objects(first, second):
        raise ZipSegError("the runs were not evaluated on the same images and annotations")
    weight = np.ones((1, len(first.image_ids)))
    weight = np.r_[weight, resample_images(weight.shape[1], samples, seed)]
    ours, theirs = (average_precision(run, weight=weight) for run in (first, second))
    result = {}
    for ending, names in (groups or {"": first.names}).items():
        members = np.isin(first.names, list(names))
        for metric, thresholds in _THRESHOLDS.items():
            one, other = (_mean(run[:, thresholds, members]) for run in (ours, theirs))
            difference = (other - one) * 100
            if not np.isnan(difference[0]):
                low, high = np.nanquantile(difference[1:], ((1 - level) / 2, (1 + level) / 2))
                better = float(np.mean(difference[1:] > 0))
                interval = Interval(float(difference[0]), float(low), float(high), better)
                result[metric + ending] = interval
    return result


def _mean(precision: np.ndarray) -> np.ndarray:
    """float [B, T, K] with NaN -> mean of what is there [B]."""
    there = ~np.isnan(precision)
    count = there.sum((1, 2))
    total = np.where(there, precision, 0).sum((1, 2))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
