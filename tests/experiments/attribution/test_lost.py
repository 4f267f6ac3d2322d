"""Evaluation and ``zipseg lost`` on ZipWorld."""

import json

import pytest
from tools.experiments import lost

from zipseg.data.coco_format import results_from, truth_from
from zipseg.evaluation.protocols import evaluate
from zipseg.zipworld.scenes import CATEGORY_NAMES, UNSEEN_NAMES, scene_for
from zipseg.zipworld.scenes.dataset import scene_annotations

CONFIG = "configs/Test/zip_tiny_random.yaml"


@pytest.fixture(scope="module")
def dataset():
    images, annotations = [], []
    for image in range(1, 9):
        scene = scene_for("zipworld_val", image - 1)
        height, width = scene.image.shape[:2]
        images.append({"id": image, "file_name": "", "height": height, "width": width})
        annotations += scene_annotations(scene, image, len(annotations) + 1)
    ids = sorted({a["category_id"] for a in annotations})
    first = 1 if min(ids) > 0 else 0
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORY_NAMES, start=first)]
    return {"images": images, "annotations": annotations, "categories": categories}


def test_seen_and_unseen_names_are_told_apart(dataset):
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    seen = [i for i, name in names.items() if name not in UNSEEN_NAMES]
    results = []
    for annotation in dataset["annotations"]:
        unseen = names[annotation["category_id"]] in UNSEEN_NAMES
        change = {"score": 0.1, "category_id": seen[0]} if unseen else {"score": 0.9}
        results.append({**annotation, **change})
    truth = truth_from(dataset)
    found = results_from(results, truth)
    metrics = evaluate("open_vocabulary", truth, found, "segm", unseen=UNSEEN_NAMES).metrics
    assert metrics["AP_base"] == pytest.approx(100)
    assert metrics["AP_novel"] == 0
    assert 0 < metrics["AP_all"] < 100
    agnostic = evaluate("class_agnostic", truth, found, "segm").metrics
    assert agnostic["AR@1000"] == pytest.approx(100)


def test_it_runs_zip_and_adds_up(dataset, tmp_path, monkeypatch, capsys):
    root = tmp_path / "datasets"
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root))
    output = tmp_path / "lost"
    options = ["--config-file", CONFIG, "--output", str(output), "--limit", "8"]
    data = ["DATASETS.TEST", "('zipworld_mini',)"]
    lost.main([*options, *data])
    percent = json.loads((output / "attribution.json").read_text())["percent"]
    for shares in percent.values():
        assert sum(v for k, v in shares.items() if k != "objects") == pytest.approx(100)
    assert f"{percent['all']['objects']} objects" in capsys.readouterr().out
    assert len(list((output / "records").glob("*.npz"))) == 8
    before = (output / "attribution.json").read_bytes()
    lost.main([*options, "--reuse", *data])
    assert (output / "attribution.json").read_bytes() == before
