"""The evaluator as Detectron2 uses it, and the files it leaves."""

import json

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.structures import Boxes, BoxMode, Instances
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from tests.evaluation.perturbed import perturb, small_dataset

from zipseg.config import add_zip_config
from zipseg.evaluation.evaluator import InstanceEvaluator, build_evaluators
from zipseg.evaluation.files import evaluate_files
from zipseg.evaluation.report import load_matches, read_report
from zipseg.utils.errors import ConfigError, ZipSegError

DATASET = small_dataset(images=8)
RESULTS = perturb(DATASET)


@pytest.fixture
def registered(tmp_path):
    """A registered data set whose file lacks ``info``; its images do not exist."""
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(DATASET))
    register_coco_instances("evaluated", {"unseen_names": ("plum", "fig")}, str(path), "nowhere")
    yield "evaluated"
    DatasetCatalog.remove("evaluated")
    MetadataCatalog.remove("evaluated")


class Replay(torch.nn.Module):
    """A model that predicts given results."""

    def __init__(self, results, masks=True):
        super().__init__()
        self.results, self.masks = results, masks

    def forward(self, inputs):
        return [{"instances": self.instances(entry)} for entry in inputs]

    def instances(self, entry):
        mine = [r for r in self.results if r["image_id"] == entry["image_id"]]
        boxes = np.array([r["bbox"] for r in mine]).reshape(-1, 4)
        fields = {
            "pred_boxes": Boxes(BoxMode.convert(boxes, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)),
            "scores": torch.tensor([r["score"] for r in mine], dtype=torch.float64),
            "pred_classes": torch.tensor([r["category_id"] // 3 - 1 for r in mine]),
        }
        size = entry["height"], entry["width"]
        if self.masks:
            masks = [mask_utils.decode(r["segmentation"]) for r in mine]
            fields["pred_masks"] = torch.tensor(np.array(masks, dtype=bool).reshape(-1, *size))
        return Instances(size, **fields)


def run(evaluator, results=RESULTS, **options):
    loader = [[image | {"image_id": image["id"]}] for image in DATASET["images"]]
    return inference_on_dataset(Replay(results, **options), loader, evaluator)


def flat(results):
    return {(task, name): v for task, metrics in results.items() for name, v in metrics.items()}


def config(*options):
    cfg = get_cfg()
    add_zip_config(cfg)
    cfg.merge_from_list(list(options))
    return cfg


def test_detectron2s_own_numbers_under_its_own_names(registered):
    ours = run(InstanceEvaluator(registered))
    DatasetCatalog.get(registered)  # sets the mapping of category ids, which theirs relies on
    theirs = run(COCOEvaluator(registered, use_fast_impl=False, max_dets_per_image=100))
    assert theirs.keys() == ours.keys() == {"bbox", "segm"}
    for task, metrics in theirs.items():
        assert metrics.keys() <= ours[task].keys()
        for name, value in metrics.items():
            assert ours[task][name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_protocols_of_the_config_and_their_files(registered, tmp_path):
    protocols = ["coco", "class_agnostic", "open_vocabulary"]
    cfg = config("EVALUATION.PROTOCOLS", protocols)
    results = run(build_evaluators(cfg, registered, str(tmp_path)))
    assert set(results) == {
        "bbox", "segm", "bbox_class_agnostic", "segm_class_agnostic",
        "bbox_open_vocabulary", "segm_open_vocabulary",
    }  # fmt: skip
    assert {"AP50_novel", "AP50_base", "AP50_all"} <= results["bbox_open_vocabulary"].keys()
    predictions = tmp_path / "coco_instances_results.json"
    truth = COCO(str(tmp_path / "annotations.json"))
    assert len(truth.loadRes(str(predictions)).anns) == len(RESULTS)
    report = read_report(tmp_path)
    assert (report.dataset, report.images) == (registered, len(DATASET["images"]))
    for task, metrics in report.results.items():
        for name, value in metrics.items():
            assert value == pytest.approx(results[task][name], nan_ok=True)
        assert report.matches(task).hit.shape[:2] == (1, 10)
    again = evaluate_files(
        tmp_path / "annotations.json", predictions, tmp_path / "again", protocols,
        unseen=("plum", "fig"),
    )  # fmt: skip
    again = {task: evaluation.metrics for task, evaluation in again.items()}
    assert flat(again) == pytest.approx(flat(report.results), nan_ok=True)


def test_boxes_alone_and_nothing_at_all(registered):
    assert run(InstanceEvaluator(registered), masks=False).keys() == {"bbox"}
    nothing = run(InstanceEvaluator(registered), results=[])
    assert nothing["segm"]["AP"] == nothing["bbox"]["AR@100"] == 0


def test_a_subset_of_the_images(registered):
    evaluator = InstanceEvaluator(registered)
    run(evaluator)
    some = [image["id"] for image in DATASET["images"][:3]]
    assert evaluator.evaluate(img_ids=some) != evaluator.evaluate()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("EVALUATION.PROTOCOLS", ["coco", "voc"]), "EVALUATION.PROTOCOLS"),
        (("EVALUATION.PROTOCOLS", []), "EVALUATION.PROTOCOLS"),
    ],
)
def test_bad_config_is_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build_evaluators(config(*options), "whatever", None)


def test_too_many_classes_are_told(registered):
    wrong = [{**r, "category_id": 300} for r in RESULTS]
    with pytest.raises(ZipSegError, match="predicts class 99"):
        run(InstanceEvaluator(registered), results=wrong)


def test_damaged_files_are_named(tmp_path):
    with pytest.raises(ZipSegError, match=r"no evaluation\.json"):
        read_report(tmp_path)
    (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(ZipSegError, match="not an evaluation"):
        read_report(tmp_path)
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(ZipSegError, match=r"evaluation\.json: not a JSON file"):
        read_report(tmp_path)
    (tmp_path / "matches_segm.npz").write_bytes(b"nothing")
    with pytest.raises(ZipSegError, match=r"matches_segm\.npz"):
        load_matches(tmp_path / "matches_segm.npz")


def as_labels(results: list[dict]) -> dict:
    """The same results as a file of labels of its own: other ids, folders and order."""
    images = [
        {**image, "id": 100 + image["id"], "file_name": f"photos/{image['file_name']}"}
        for image in reversed(DATASET["images"])
    ]
    categories = [{"id": 50 - c["id"], "name": c["name"]} for c in DATASET["categories"]]
    annotations = [
        {**r, "id": i, "image_id": 100 + r["image_id"], "category_id": 50 - r["category_id"]}
        for i, r in enumerate(results, 1)
    ]
    return {"images": images, "categories": categories, "annotations": annotations}


def test_a_file_of_labels_is_evaluated_like_its_results(tmp_path, caplog):
    results = perturb(DATASET, 3)
    (tmp_path / "truth.json").write_text(json.dumps(DATASET))
    (tmp_path / "results.json").write_text(json.dumps(results))
    labels = as_labels(results)
    labels["images"].append({"id": 9999, "file_name": "other.png", "height": 9, "width": 9})
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    both = [
        evaluate_files(tmp_path / "truth.json", tmp_path / name, tmp_path / f"{name}.out")
        for name in ("results.json", "labels.json")
    ]
    for task in ("bbox", "segm"):
        first, second = (each[task].metrics for each in both)
        assert first == pytest.approx(second, nan_ok=True)
    assert "labels.json: 1 images that the annotations do not have, left out" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "its images are not those"),
        ({"categories": [{"id": 1, "name": "nothing like it"}]}, "its categories are not those"),
    ],
)
def test_labels_of_other_images_or_names_are_refused(tmp_path, change, message):
    (tmp_path / "truth.json").write_text(json.dumps(DATASET))
    labels = {**as_labels([]), **change}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ZipSegError, match=message):
        evaluate_files(tmp_path / "truth.json", tmp_path / "labels.json", tmp_path / "out")
