"""tools/predict.py from the command line: a stranger's folder to a COCO file and overlays."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from detectron2.modeling import build_model
from pycocotools.coco import COCO

from zipseg.data.inputs import InputReader
from zipseg.engine.setup import load_config

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "configs" / "Test" / "zip_tiny_random.yaml")


def predict(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "predict.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def folder(tmp_path, picture):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    cv2.imwrite(str(photos / "a.png"), picture)
    cv2.imwrite(str(photos / "more" / "b.jpg"), picture[:40, :50])
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "names.txt").write_text("red star\n犬\n", encoding="utf-8")
    return photos


def test_a_folder_and_a_file_of_names(folder, tmp_path, capsys):
    out = tmp_path / "out"
    run = predict(folder, "--names", tmp_path / "names.txt", "--output", out, "--config-file", TINY)
    assert run.returncode == 0, run.stderr
    assert "2 images, 1 images skipped" in run.stdout
    assert "broken.jpg: cannot be decoded" in run.stderr + run.stdout
    coco = COCO(str(out / "predictions.json"))
    assert len(coco.imgs) == 2
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["red star", "犬"]
    assert coco.anns
    for annotation in coco.anns.values():
        assert coco.annToMask(annotation).sum() == annotation["area"]
    assert json.loads((out / "predictions.json").read_text())["annotations"][0]["id"] == 1
    assert len(list((out / "overlays").glob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "--names", "cat,cat", "--config-file", TINY], "named more than once: cat"),
        (
            ["{folder}", "--names", "cat", "--config-file", "none.yaml"],
            "'none.yaml' does not exist",
        ),
        (
            ["{folder}", "--names", "cat"],
            r"MODEL.ZIP.SEGMENTER.WEIGHTS: 'sam_vit_b_01ec64.pth' is neither",
        ),
        (
            ["{folder}/broken.jpg", "none.jpg", "--names", "cat", "--config-file", TINY],
            r"none of 2 images can be read; .*broken\.jpg: cannot be decoded",
        ),
    ],
)
def test_mistakes_end_with_one_sentence(folder, arguments, message, monkeypatch):
    from tools import predict as tool

    given = [a.format(folder=folder) for a in arguments]
    monkeypatch.setattr(sys, "argv", ["predict.py", *given])
    monkeypatch.chdir(folder.parent)
    with pytest.raises(Exception, match=message) as caught:
        tool.main()
    assert type(caught.value).__module__.startswith("zipseg.")


def test_a_trained_detector_on_files(folder, tmp_path):
    config = ROOT / "tests" / "training" / "tiny_mask_rcnn.yaml"
    cfg = load_config(str(config), ["MODEL.WEIGHTS", ""])
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    weights = tmp_path / "model.pth"
    model = build_model(cfg)
    torch.nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=1.0)
    torch.save({"model": model.state_dict()}, weights)
    options = ["MODEL.WEIGHTS", weights, "MODEL.ROI_HEADS.NUM_CLASSES", 2]
    options += ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0]
    common = (folder, "--config-file", config, "--output", tmp_path / "out")
    run = predict(*common, "--names", "star,犬", "--opts", *options)
    assert run.returncode == 0, run.stderr
    coco = COCO(str(tmp_path / "out" / "predictions.json"))
    assert coco.anns
    model.eval()
    (image,) = [i for i in coco.imgs.values() if i["file_name"].endswith("a.png")]
    reader = InputReader(cfg)
    entry = reader.entry(image["file_name"], reader.pixels(image["file_name"]))
    with torch.no_grad():
        model.roi_heads.box_predictor.test_score_thresh = 0.0
        expected = model([entry])[0]["instances"]
    found = [a for a in coco.anns.values() if a["image_id"] == image["id"]]
    assert len(found) == len(expected)
    assert max(a["score"] for a in found) == pytest.approx(expected.scores.max().item(), abs=1e-4)
    run = predict(*common, "--names", "star,犬,heart", "--opts", *options)
    assert run.returncode == 2
    assert "knows 2 classes, but 3 names were given" in run.stderr
