"""tools/predict.py from the command line: a stranger's folder to a COCO file and overlays."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from pycocotools.coco import COCO

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
            r"MODEL.ZIP.SAM.WEIGHTS: 'sam_vit_b_01ec64.pth' is neither",
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
