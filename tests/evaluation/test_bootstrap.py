import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.perturbed import NAMES, perturb, small_dataset

from zipseg.data.coco_format import results_from, truth_from
from zipseg.evaluation.bootstrap import paired_bootstrap, resample_images
from zipseg.evaluation.matching import MatchingRules, match
from zipseg.evaluation.precision import average_precision
from zipseg.utils.errors import ZipSegError


def matches(dataset, results, **rules):
    truth = truth_from(dataset)
    return match(truth, results_from(results, truth), "bbox", MatchingRules(**rules))


def repeated(dataset, results, counts):
    """The data set in which image i occurs counts[i] times, as images of their own."""
    images, annotations, copies = [], [], []
    for image, count in zip(dataset["images"], counts, strict=True):
        for _ in range(int(count)):
            new = {"image_id": len(images)}
            own = [a for a in dataset["annotations"] if a["image_id"] == image["id"]]
            images.append({**image, "id": len(images)})
            annotations += [{**a, **new, "id": len(annotations) + i} for i, a in enumerate(own, 1)]
            copies += [{**r, **new} for r in results if r["image_id"] == image["id"]]
    return {**dataset, "images": images, "annotations": annotations}, copies


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_weights_are_the_same_as_repeated_images(seed):
    dataset = small_dataset(seed, images=6)
    results = perturb(dataset, seed)
    for n, result in enumerate(results):  # copies of an image tie; nothing else may
        result["score"] = (n + 1) / 1000
    counts = resample_images(6, 1, seed)
    weighted = average_precision(matches(dataset, results), weight=counts)[0]
    plain = average_precision(matches(*repeated(dataset, results, counts[0])))[0]
    np.testing.assert_allclose(weighted, plain, rtol=0, atol=1e-9)


def test_resamples_keep_the_number_of_images_and_follow_the_seed():
    drawn = resample_images(50, 200, seed=3)
    assert (drawn.sum(1) == 50).all()
    np.testing.assert_allclose(drawn.mean(0), 1, atol=0.35)
    assert np.array_equal(drawn, resample_images(50, 200, seed=3))
    assert not np.array_equal(drawn, resample_images(50, 200, seed=4))


def test_a_run_does_not_differ_from_itself_and_order_flips_the_sign():
    dataset = small_dataset(images=30)
    first = matches(dataset, perturb(dataset, 1))
    second = matches(dataset, perturb(dataset, 2))
    for interval in paired_bootstrap(first, first, samples=50).values():
        assert interval == (0, 0, 0, 0)
    there = paired_bootstrap(first, second, samples=100)
    back = paired_bootstrap(second, first, samples=100)
    assert there["AP"].difference == -back["AP"].difference
    assert there["AP"].low == pytest.approx(-back["AP"].high)


def test_a_clearly_better_run_is_told():
    dataset = small_dataset(images=40)
    results = perturb(dataset, 1)
    truth = [{**a, "score": 1.0} for a in dataset["annotations"]]
    worse, better = matches(dataset, results), matches(dataset, truth)
    interval = paired_bootstrap(worse, better, samples=200)["AP"]
    assert interval.low > 0
    assert interval.better == 1
    assert interval.low <= interval.difference <= interval.high


def test_intervals_of_equally_good_runs_mostly_hold_zero():
    dataset = small_dataset(images=60)
    runs = [matches(dataset, perturb(dataset, seed)) for seed in range(10)]
    pairs = zip(runs[::2], runs[1::2], strict=True)
    intervals = [paired_bootstrap(one, other, samples=200)["AP"] for one, other in pairs]
    assert sum(i.low <= 0 <= i.high for i in intervals) >= 4
    assert {i.difference > 0 for i in intervals} == {True, False}


def test_groups_and_class_agnostic():
    dataset = small_dataset(images=20)
    first, second = (matches(dataset, perturb(dataset, seed)) for seed in (1, 2))
    groups = {"": NAMES, "_novel": NAMES[:1], "_nothing": NAMES[-1:]}
    intervals = paired_bootstrap(first, second, groups, samples=20)
    assert intervals.keys() == {m + g for m in ("AP", "AP50", "AP75") for g in ("", "_novel")}
    novel = [np.nanmean(average_precision(run)[0][:, 0]) * 100 for run in (first, second)]
    assert intervals["AP_novel"].difference == pytest.approx(novel[1] - novel[0])
    rules = {"class_agnostic": True, "caps": (1, 10, 100, 1000)}
    agnostic = [matches(dataset, perturb(dataset, seed), **rules) for seed in (1, 2)]
    assert math.isfinite(paired_bootstrap(*agnostic, samples=20)["AP"].low)


def test_other_images_are_refused():
    first, second = small_dataset(0), small_dataset(1)
    with pytest.raises(ZipSegError, match="not evaluated on the same images"):
        paired_bootstrap(matches(first, perturb(first)), matches(second, perturb(second)))
