"""Variants of a config, compared with networks that run once an image."""

import json
from pathlib import Path

import cv2
import pytest
import torch
from detectron2.data.datasets import register_coco_instances
from detectron2.modeling import build_model

from zipseg.engine.setup import load_config
from zipseg.experiments.settings import memo, run
from zipseg.experiments.settings.memo import Variants
from zipseg.utils.errors import ZipSegError

TINY = str(Path(__file__).parents[3] / "configs" / "Test" / "zip_tiny_random.yaml")
VARIANTS = {"grid": [], "semantic": ["MODEL.ZIP.CLUSTERING.CENTRES", "semantic"]}


@pytest.fixture
def dataset(tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "b.png"), picture[::-1])
    content = {
        "images": [
            {"id": i + 1, "file_name": name, "height": 60, "width": 80}
            for i, name in enumerate(("a.png", "b.png"))
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [5, 5, 30, 30], "area": 900,
             "iscrowd": 0, "segmentation": [[5, 5, 35, 5, 35, 35, 5, 35]]}
            for i in (1, 2)
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }  # fmt: skip
    (tmp_path / "truth.json").write_text(json.dumps(content))
    name = f"variants_{tmp_path.name}"
    register_coco_instances(name, {}, str(tmp_path / "truth.json"), str(tmp_path))
    return name


def test_rows_are_kept_and_networks_run_once(dataset, tmp_path, monkeypatch):
    runs = []
    forward = memo.Zip._boundary_features
    monkeypatch.setattr(
        memo.Zip, "_boundary_features", lambda self, image: runs.append(1) or forward(self, image)
    )
    output = tmp_path / "rows.json"
    report = run.compare_variants(TINY, dataset, VARIANTS, output, 2, {"command": "c"})
    assert len(runs) == 2
    assert list(report["rows"]) == ["grid", "semantic"]
    assert report["rows"]["grid"]["objects_per_image"] > 0
    assert 0 <= report["rows"]["grid"]["segm"]["AP50"] <= 100
    assert json.loads(output.read_text()) == report
    again = run.compare_variants(TINY, dataset, VARIANTS, output, 2, {"command": "c"})
    assert (len(runs), again) == (2, report)
    assert "| semantic |" in run.to_markdown(report)
    with pytest.raises(ZipSegError, match=r"rows\.json: holds another comparison"):
        run.compare_variants(TINY, dataset, VARIANTS, output, 1, {})


def test_memorised_variants_give_what_the_plain_model_gives(picture):
    entry = {"image": torch.as_tensor(picture.transpose(2, 0, 1).copy())}
    models = Variants()
    models.memo.image = "picture"
    for options in VARIANTS.values():
        cfg = load_config(
            TINY, [*options, "DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["a", "b"]]
        )
        (trace,) = models.model(cfg).trace([entry])
        expected = build_model(cfg).eval()([entry])[0]["instances"]
        assert torch.equal(trace.instances.pred_masks, expected.pred_masks)
        assert torch.equal(trace.instances.scores, expected.scores)


@pytest.mark.parametrize("content", ["- a", "x: [1]", "x: {", "3"])
def test_unusable_variant_files(tmp_path, content):
    (tmp_path / "v.yaml").write_text(content)
    with pytest.raises(ZipSegError, match=r"v\.yaml"):
        run.read_variants(tmp_path / "v.yaml")
