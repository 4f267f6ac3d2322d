"""The protocols against the official evaluators, to 1e-6 percent."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.perturbed import NAMES, as_lvis, perturb, small_dataset
from tests.references.coco_evaluation import (
    faster_coco_eval_metrics,
    lvis_metrics,
    pycocotools_evaluation,
    pycocotools_metrics,
)

from zipseg.data.coco_format import results_from, truth_from
from zipseg.evaluation.protocols import evaluate
from zipseg.utils.errors import ZipSegError
from zipseg.zipworld.scenes import CATEGORY_NAMES, scene_for
from zipseg.zipworld.scenes.dataset import scene_annotations

TOLERANCE = {"rtol": 0, "atol": 1e-6, "equal_nan": True}
IOU_TYPES = ("bbox", "segm")


def evaluated(protocol, dataset, results, iou_type, **options):
    truth = truth_from(dataset)
    return evaluate(protocol, truth, results_from(results, truth), iou_type, **options)


def assert_same(ours: dict, reference: dict) -> None:
    keys = sorted(reference)
    np.testing.assert_allclose([ours[k] for k in keys], [reference[k] for k in keys], **TOLERANCE)


@pytest.fixture(scope="session")
def real(photographs):
    return json.loads((photographs / "annotations" / "instances_val2017.json").read_text())


@pytest.fixture(scope="session")
def zipworld():
    """The first 30 scenes of zipworld_val, annotated as its file has them."""
    images, annotations = [], []
    for image in range(1, 31):
        scene = scene_for("zipworld_val", image - 1)
        height, width = scene.image.shape[:2]
        images.append({"id": image, "file_name": "", "height": height, "width": width})
        annotations += scene_annotations(scene, image, len(annotations) + 1)
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORY_NAMES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture(params=["small", "zipworld", "real"])
def dataset(request):
    """Made-up, ZipWorld's and real annotations; the last have crowds and polygons."""
    return small_dataset(2) if request.param == "small" else request.getfixturevalue(request.param)


@pytest.mark.parametrize("iou_type", IOU_TYPES)
@pytest.mark.parametrize("crowded", [0, 130])
def test_coco_is_pycocotools(dataset, iou_type, crowded):
    results = perturb(dataset, crowded=crowded)
    ours = evaluated("coco", dataset, results, iou_type)
    reference = pycocotools_metrics(dataset, results, iou_type)
    assert 5 < reference["AP"] < 95
    assert_same(ours.metrics, reference)


@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_each_category_is_pycocotools(dataset, iou_type):
    results = perturb(dataset, seed=1, crowded=140)
    ours = evaluated("coco", dataset, results, iou_type)
    precision = pycocotools_evaluation(dataset, results, iou_type).eval["precision"][..., 0, 2]
    reference = np.where(precision < 0, np.nan, precision).mean((0, 1)) * 100
    np.testing.assert_allclose(list(ours.per_category.values()), reference, **TOLERANCE)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_coco_is_pycocotools_whatever_the_detections(seed):
    dataset = small_dataset(seed, images=5)
    results = perturb(dataset, seed)
    assert_same(
        evaluated("coco", dataset, results, "bbox").metrics,
        pycocotools_metrics(dataset, results, "bbox"),
    )


@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_class_agnostic_is_pycocotools_without_categories(dataset, iou_type):
    results = perturb(dataset, crowded=1100)
    ours = evaluated("class_agnostic", dataset, results, iou_type).metrics
    evaluation = pycocotools_evaluation(dataset, results, iou_type, class_agnostic=True)
    precision, recall = (
        np.where(evaluation.eval[key] < 0, np.nan, evaluation.eval[key])
        for key in ("precision", "recall")
    )
    reference = {
        "AP": precision[:, :, 0, 0, 2].mean(),
        "AP75": precision[5, :, 0, 0, 2].mean(),
        "AP50": precision[0, :, 0, 0, 2].mean(),
        "APs": precision[:, :, 0, 1, 2].mean(),
        "AR@1": recall[:, 0, 0, 0].mean(),
        "AR@10": recall[:, 0, 0, 1].mean(),
        "AR@100": recall[:, 0, 0, 2].mean(),
        "AR@1000": recall[:, 0, 0, 3].mean(),
        "ARl@1000": recall[:, 0, 3, 3].mean(),
    }
    assert_same(ours, {key: value * 100 for key, value in reference.items()})
    assert ours["AR@1"] < ours["AR@100"] <= ours["AR@1000"]


@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_lvis_is_the_lvis_package(dataset, iou_type, tmp_path, monkeypatch):
    dataset = as_lvis(dataset)
    results = perturb(dataset, crowded=350)
    ours = evaluated("lvis", dataset, results, iou_type).metrics
    reference = lvis_metrics(dataset, results, iou_type, tmp_path, monkeypatch)
    assert {"APr", "APc", "APf", "AR@300"} <= reference.keys()
    assert_same(ours, reference)


@pytest.mark.parametrize("protocol", ["coco", "class_agnostic"])
@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_scores_are_faster_coco_evals(protocol, iou_type):
    dataset = small_dataset()
    results = perturb(dataset, crowded=120)
    ours = evaluated(protocol, dataset, results, iou_type)
    other = faster_coco_eval_metrics(dataset, results, iou_type, protocol)
    assert_same(ours.metrics, other.metrics)
    assert ours.per_category.keys() == other.per_category.keys()
    assert_same(ours.per_category, other.per_category)


def test_no_detections_score_zero_and_absent_categories_nothing():
    dataset = small_dataset()
    outcome = evaluated("coco", dataset, [], "segm")
    assert outcome.metrics["AP"] == outcome.metrics["AR@100"] == 0
    assert np.isnan(outcome.per_category[NAMES[-1]])
    assert outcome.per_category[NAMES[0]] == 0


def test_perfect_detections_score_a_hundred_in_every_protocol():
    dataset = as_lvis(small_dataset())
    results = [{**a, "score": 1.0} for a in dataset["annotations"]]
    for protocol in ("coco", "class_agnostic", "lvis"):
        assert evaluated(protocol, dataset, results, "bbox").metrics["AP"] == pytest.approx(100)


def test_open_vocabulary_averages_per_category_precision_of_annotated_images():
    dataset = small_dataset()
    results = perturb(dataset)
    unseen = ("plum", "fig")
    metrics = evaluated("open_vocabulary", dataset, results, "bbox", unseen=unseen).metrics
    annotated = {a["image_id"] for a in dataset["annotations"]}
    subset = {**dataset, "images": [i for i in dataset["images"] if i["id"] in annotated]}
    precision = pycocotools_evaluation(subset, results, "bbox").eval["precision"][..., 0, 2] * 100
    seen = [0, 1]  # "lime" has no objects
    assert metrics["AP50_novel"] == pytest.approx(precision[0][:, [2, 3]].mean(), abs=1e-6)
    assert metrics["AP50_base"] == pytest.approx(precision[0][:, seen].mean(), abs=1e-6)
    assert metrics["AP50_all"] == pytest.approx(precision[0][:, :4].mean(), abs=1e-6)
    assert metrics["AP_all"] == pytest.approx(precision[:, :, :4].mean(), abs=1e-6)


def test_open_vocabulary_of_coco_leaves_out_the_other_fifteen(real):
    results = perturb(real)
    outcome = evaluated("open_vocabulary", real, results, "segm")
    assert len(outcome.per_category) == 65
    everything = evaluated("coco", real, results, "segm")
    novel = [everything.per_category[name] for name in outcome.groups["_novel"]]
    assert outcome.metrics["AP_novel"] == pytest.approx(np.nanmean(novel), abs=1)


def test_files_may_lack_what_evaluation_can_do_without():
    dataset = small_dataset()
    results = perturb(dataset)
    bare = [
        {k: v for k, v in a.items() if k not in ("id", "area") and (k != "iscrowd" or v)}
        for a in dataset["annotations"]
    ]
    with_areas = truth_from(dataset)
    without = truth_from({**dataset, "annotations": bare})
    np.testing.assert_allclose(without.area, with_areas.area, rtol=0.3)
    ours = evaluated("coco", {**dataset, "annotations": bare}, results, "segm").metrics
    assert ours["AP50"] == evaluated("coco", dataset, results, "segm").metrics["AP50"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99999}, "image_id 99999 is not among the images"),
        ({"category_id": 99999}, "category_id 99999 is not among the categories"),
        ({"score": float("nan")}, "score nan"),
    ],
)
def test_bad_results_are_named(change, message):
    dataset = small_dataset()
    results = perturb(dataset)
    results[3] = {**results[3], **change}
    truth = truth_from(dataset)
    with pytest.raises(ZipSegError, match=rf"some\.json: result 3: {message}"):
        results_from(results, truth, "some.json")


def test_bad_annotations_are_named():
    dataset = small_dataset()
    with pytest.raises(ZipSegError, match=r'a\.json: has no list "images"'):
        truth_from({k: v for k, v in dataset.items() if k != "images"}, "a.json")
    dataset["annotations"][0]["category_id"] = 77
    with pytest.raises(ZipSegError, match=r"annotations\[0\]: category_id 77 is not among"):
        truth_from(dataset)


def test_masks_are_asked_for_in_vain():
    dataset = small_dataset()
    boxes = [{k: v for k, v in r.items() if k != "segmentation"} for r in perturb(dataset)]
    with pytest.raises(ZipSegError, match="segmentation"):
        evaluated("coco", dataset, boxes, "segm")
