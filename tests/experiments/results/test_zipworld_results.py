"""The recorded results through their command line, on a few squares and untrained networks."""

import json
from pathlib import Path

import cv2
import pytest
import yaml
from detectron2.data.datasets import register_coco_instances
from tests.experiments.boundaries.squares import scene_dict, scene_image
from tools.experiments import zipworld_results

from zipseg.experiments.results import measure
from zipseg.experiments.results.plan import read_plan
from zipseg.experiments.results.rows import file_name
from zipseg.utils.errors import ZipSegError

CONFIGS = Path(__file__).parents[3] / "configs"
TINY = str(CONFIGS / "Test" / "zip_tiny_random.yaml")
FAST = ["MODEL.SAM_ALONE.POINTS_PER_SIDE", 2, "MODEL.META_ARCHITECTURE", "SamAlone"]


@pytest.fixture
def plan(tmp_path):
    """A plan over two images of the same squares, as a file; rows of all three tables."""
    content = scene_dict()
    content["images"], annotations = [], content.pop("annotations")
    content["annotations"] = []
    for n in (1, 2):
        cv2.imwrite(str(tmp_path / f"{n}.png"), scene_image()[:, :, ::-1])
        content["images"].append({"id": n, "file_name": f"{n}.png", "height": 128, "width": 128})
        for each in annotations:
            identity = {"id": len(content["annotations"]) + 1, "image_id": n}
            content["annotations"].append(each | identity)
    (tmp_path / "truth.json").write_text(json.dumps(content))
    dataset = f"squares_{tmp_path.name}"
    unseen = (content["categories"][0]["name"],)
    files = str(tmp_path / "truth.json"), str(tmp_path)
    register_coco_instances(dataset, {"unseen_names": unseen}, *files)
    (tmp_path / "variants.yaml").write_text(
        yaml.safe_dump({"as configured": [], "k = 4": ["MODEL.ZIP.CLUSTERING.K", 4]})
    )
    content = {
        "evaluations": {
            "dataset": dataset,
            "protocols": ["coco", "class_agnostic", "open_vocabulary"],
            "rows": {"SAM alone": [TINY, *FAST], "Zip": [TINY]},
        },
        "settings": {
            "dataset": dataset,
            "images": 2,
            "config": TINY,
            "variants": str(tmp_path / "variants.yaml"),
        },
        "boundaries": {
            "dataset": dataset,
            "tune": dataset,
            "tuning_images": 1,
            "reported_images": 1,
            "cells": [16],
            "methods": ["watershed"],
            "precision": 0.75,
            "seed": 0,
            "sources": ["none", "lab"],
        },
    }
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def run(plan, *options) -> dict:
    results = plan.parent / "results" / "world"
    folders = ["--results", str(results), "--output", str(plan.parent / "output")]
    zipworld_results.main(["--plan", str(plan), *folders, *options])
    return json.loads(results.with_suffix(".json").read_text())


def change(plan, section, **values):
    content = yaml.safe_load(plan.read_text())
    content[section] |= values
    plan.write_text(yaml.safe_dump(content, sort_keys=False))


def test_rows_are_measured_once_and_again_when_their_inputs_change(plan, monkeypatch):
    runs = []
    evaluate = measure.engine.main
    monkeypatch.setattr(measure.engine, "main", lambda args: runs.append(args) or evaluate(args))
    first = run(plan)
    assert [row["name"] for row in first["evaluations"]] == ["SAM alone", "Zip"]
    assert [row["name"] for row in first["settings"]] == ["as configured", "k = 4"]
    assert [row["name"] for row in first["boundaries"]] == ["none", "lab"]
    for row in [*first["evaluations"], *first["settings"], *first["boundaries"]]:
        assert row["command"].startswith(("tools/", "zipseg "))
        assert {"commit", "machine", "versions", "digest", "inputs"} <= row.keys()
    assert first["evaluations"][1]["result"]["metrics"]["segm_open_vocabulary"].keys() >= {
        "AP50_base",
        "AP50_novel",
    }
    assert "segm" in first["intervals"]["Zip"]
    text = (plan.parent / "results" / "world.md").read_text()
    assert text.count("\n- Zip: `zipseg train --eval-only --config-file ") == 1
    assert "| k = 4 |" in text
    assert "| lab | watershed |" in text
    assert "not measured" not in text.lower()

    assert len(runs) == 2
    assert run(plan) == first
    assert len(runs) == 2
    rows = {"SAM alone": [TINY, *FAST], "Zip": [TINY, "MODEL.ZIP.CLUSTERING.K", 6]}
    change(plan, "evaluations", rows=rows)
    change(plan, "boundaries", sources=["none"])
    second = run(plan)
    assert len(runs) == 3
    assert second["evaluations"][0] == first["evaluations"][0]
    assert second["evaluations"][1]["digest"] != first["evaluations"][1]["digest"]
    assert second["boundaries"] == first["boundaries"][:1]


def test_one_table_at_a_time(plan):
    content = run(plan, "--tables", "boundaries")
    assert len(content["boundaries"]) == 2
    assert content["evaluations"] == content["settings"] == []
    text = (plan.parent / "results" / "world.md").read_text()
    assert "| Zip | not measured yet |" in text


def test_the_projects_own_plan_is_sound(monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    plan = read_plan("configs/ZipWorld/results.yaml")
    assert next(iter(plan.evaluations.rows)) == "SAM alone"
    assert plan.evaluations.dataset == plan.boundaries.dataset == "zipworld_val"
    assert plan.settings.dataset == plan.boundaries.tune == "zipworld_train"
    monkeypatch.setattr(measure, "annotations_checksum", lambda _: "")
    wanted = [*measure.evaluations(plan.evaluations, Path("output"))]
    wanted += measure.settings(plan.settings)
    assert len({file_name(each.name) for each in wanted}) == len(wanted)
    weights = wanted[-1].inputs["weights"]
    assert all(len(weights[name]) == 64 for name in ("SEMANTIC", "BOUNDARY", "SAM"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "needs the sections evaluations, settings, boundaries"),
        ("{", "cannot be read"),
        ("{evaluations: {}, settings: {}, boundaries: {}}", "missing .* required"),
    ],
)
def test_unusable_plans_are_named(tmp_path, content, message):
    (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(ZipSegError, match=rf"p\.yaml: .*{message}"):
        read_plan(tmp_path / "p.yaml")
