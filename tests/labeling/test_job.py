"""What the command line makes of bad configs, weights, folders and data sets, and of Zip."""

import json
import re
import shlex
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from tests.labeling.fakes import TINY_CONFIG, arguments, content, write_images
from tools import generate_pseudo_labels

from zipseg.cli.main import main
from zipseg.labeling.errors import LabelingError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    write_images(folder / "images", 2)
    (folder / "names.txt").write_text("red star\nblue circle\ngreen square\n")
    return folder


def explained(call: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        generate_pseudo_labels.main(call)
    assert caught.value.code == LabelingError.exit_code
    return capsys.readouterr().err


def test_bad_data_sets_are_explained(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    start = ["--config-file", str(TINY_CONFIG), "--output", str(tmp_path), "--dataset"]
    assert "for plain images" in explained([*start, "no_such_set"], capsys)
    minival = [*start, "coco_2014_minival"]
    assert "knows 3 classes, but 80 names were given" in explained(minival, capsys)
    message = explained([*minival, "MODEL.ROI_HEADS.NUM_CLASSES", "80"], capsys)
    assert "--dataset coco_2014_minival: cannot be loaded" in message


def test_zip_labels_zipworld(tmp_path):
    """The model this is made for, over a registered data set, twice."""
    call = ["--config-file", "configs/Test/zip_tiny_random.yaml", "--dataset", "labeling_test"]
    write_images(tmp_path / "images", 3, size=(64, 64))
    files = [str(tmp_path / "images" / f"{i:05d}.png") for i in range(3)]
    records = [{"file_name": file, "image_id": 40 - i} for i, file in enumerate(files)]
    DatasetCatalog.register("labeling_test", lambda: records)
    MetadataCatalog.get("labeling_test").set(
        thing_classes=["red star", "blue circle"], thing_dataset_id_to_contiguous_id={5: 0, 9: 1}
    )
    try:
        for name in ("a", "b"):
            assert generate_pseudo_labels.main([*call, "--output", str(tmp_path / name)]) == 0
    finally:
        DatasetCatalog.remove("labeling_test")
    assert content(tmp_path / "a") == content(tmp_path / "b")
    labels = json.loads((tmp_path / "a" / "labels.json").read_text())
    assert [image["id"] for image in labels["images"]] == [38, 39, 40]
    assert labels["categories"] == [{"id": 5, "name": "red star"}, {"id": 9, "name": "blue circle"}]
    assert {a["category_id"] for a in labels["annotations"]} <= {5, 9}
    kept = labels["info"]["provenance"]
    assert set(kept["weights"]) >= {"semantic", "boundary", "segmenter"}
    assert kept["command"].startswith("zipseg label --config-file ")


def test_the_command_of_the_readme(folder, tmp_path):
    """A folder and a text file of names to labels and a report, as written but for the paths."""
    blocks = re.findall(r"```sh\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    (command,) = (block for block in blocks if block.startswith("zipseg label"))
    ours = {
        "photos/": str(folder / "images"),
        "names.txt": str(folder / "names.txt"),
        "output/labels": str(tmp_path / "labels"),
        "COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml": "Test/zip_tiny_random.yaml",
    }
    _, *words = shlex.split(command.replace("\\\n", " "))
    assert ours.keys() <= set(words)
    assert main([ours.get(word, word) for word in words]) == 0
    assert len(json.loads((tmp_path / "labels" / "labels.json").read_text())["images"]) == 2
    assert "00001.png" in (tmp_path / "labels" / "report.html").read_text()


def test_another_number_of_threads_is_another_run(folder, tmp_path, capsys):
    assert generate_pseudo_labels.main(arguments(folder, tmp_path)) == 0
    message = explained(arguments(folder, tmp_path, "--threads", "2"), capsys)
    assert "threads: was 1, is now 2" in message
