"""What commands that run models say before they load any, and labelling as a function."""

import json

import pytest
import torch
from PIL import Image

from zipseg import label_images
from zipseg.cli.main import main
from zipseg.utils.errors import ZipSegError

TINY = "Test/zip_tiny_random.yaml"


def test_more_gpus_than_there_are(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SystemExit) as end:
        main(["train", "--config-file", TINY, "--num-gpus", "2"])
    assert end.value.code == 2
    assert "--num-gpus: 2 were asked for, and PyTorch sees none here" in capsys.readouterr().err


def test_training_of_what_is_training_free(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--config-file", TINY])
    assert end.value.code == 2
    assert "Zip is training-free; evaluate it with --eval-only" in capsys.readouterr().err


def test_images_of_several_places_are_labelled_by_a_function(tmp_path, picture):
    for name in ("a/one.png", "b/two.png", "b/more/three.png", "b/four.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / name)
    images = [tmp_path / "a", tmp_path / "b" / "more", str(tmp_path / "b" / "t*.png")]
    output = tmp_path / "out"
    path = label_images(images, ["cat", "dog"], TINY, output, report=True)
    made = json.loads(path.read_text())
    assert [c["name"] for c in made["categories"]] == ["cat", "dog"]
    names = [image["file_name"] for image in made["images"]]
    assert names == ["a/one.png", "b/more/three.png", "b/two.png"]
    assert made["info"]["provenance"]["source"]["root"] == str(tmp_path)
    assert (output / "report.html").is_file()
    written = path.stat().st_mtime_ns
    assert label_images(images, ["cat", "dog"], TINY, output) == path
    assert path.stat().st_mtime_ns == written
    with pytest.raises(ZipSegError, match="holds results of a different run"):
        label_images(images, ["cat", "bird"], TINY, output)
    with pytest.raises(ZipSegError, match=r"none\.png: no such file"):
        label_images("none.png", ["cat"], TINY, tmp_path / "other")
