"""The whole probe through its command line, on two squares and on two scenes of ZipWorld."""

import json

import cv2
import pytest
from tests.experiments.boundaries.squares import scene_dict, scene_image
from tools.experiments.probe_boundaries import main

from zipseg.experiments.boundaries.images import from_files
from zipseg.utils.errors import ZipSegError
from zipseg.zipworld.scenes import CATEGORY_NAMES, scene_for
from zipseg.zipworld.scenes.dataset import scene_annotations


@pytest.fixture
def squares(tmp_path):
    """Four images of the same squares."""
    content = scene_dict()
    (content["annotations"], annotations) = ([], content["annotations"])
    content["images"] = []
    for n in range(1, 5):
        cv2.imwrite(str(tmp_path / f"{n}.png"), scene_image()[:, :, ::-1])
        content["images"].append({"id": n, "file_name": f"{n}.png", "height": 128, "width": 128})
        content["annotations"] += [
            each | {"image_id": n, "id": each["id"] + (n - 1) * len(annotations)}
            for each in annotations
        ]
    (tmp_path / "squares.json").write_text(json.dumps(content))
    return tmp_path


def run(folder, name, source, method, *options) -> dict:
    output = folder / "out.json"
    counts = ["--tuning-images", "2", "--reported-images", "2", "--cells", "32"]
    files = ["--json", str(folder / name), "--images", str(folder), "--output", str(output)]
    assert main([*files, *counts, "--source", source, "--method", method, *options]) == 0
    return json.loads(output.read_text())


@pytest.mark.parametrize("method", ["watershed", "clusters", "silhouette"])
def test_colour_tells_the_squares_apart(squares, method, capsys):
    row = run(squares, "squares.json", "lab", method, "--pictures", str(squares))
    assert json.loads(capsys.readouterr().out) == row
    assert not set(row["images"]["tuning"]) & set(row["images"]["reported"])
    assert row["best_f1"] == row["at_precision"] == {"recall": 100, "precision": 100, "f1": 100}
    assert row["boundaries"]["contact_recall"] == 100
    assert len(list(squares.glob(f"lab_{method}_*.png"))) == 2


def test_one_box_over_both_squares_finds_one_of_them(squares):
    row = run(squares, "squares.json", "none", "watershed")
    assert row["best_f1"]["recall"] == pytest.approx(200 / 3)


def test_zipworld_scenes_with_untrained_networks(tmp_path):
    content = {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(CATEGORY_NAMES, 1)]
    for n in range(1, 5):
        scene = scene_for("zipworld_mini", n)
        cv2.imwrite(str(tmp_path / f"{n}.png"), scene.image[:, :, ::-1])
        content["images"].append({"id": n, "file_name": f"{n}.png", "height": 256, "width": 256})
        content["annotations"] += scene_annotations(scene, n, len(content["annotations"]) + 1)
    (tmp_path / "scenes.json").write_text(json.dumps(content))
    asked = ("scenes.json", "untrained.layer2", "watershed", "--cells", "16")
    one, two = (run(tmp_path, *asked) for _ in range(2))
    assert one.pop("cpu_seconds") > 0
    two.pop("cpu_seconds")
    assert one == two
    assert one["boundaries"]["contact_recall"] > 0
    assert "random weights" in one["note"]
    none = run(tmp_path, "scenes.json", "none", "silhouette", "--cells", "16")
    assert 0 < none["best_f1"]["recall"] < 100


def test_bad_images_are_left_out(squares, caplog):
    kept = json.loads((squares / "squares.json").read_text())
    (squares / f"{kept['images'][0]['id']}.png").write_bytes(b"broken")
    row = run(squares, "squares.json", "none", "watershed")
    assert "left out" in caplog.text
    assert sum(map(len, row["images"].values())) == 3


def test_what_does_not_go_together(squares, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--source", "lab", "--method", "watershed", "--json", str(squares / "squares.json")])
    assert end.value.code == 2
    assert "give --dataset, or --json with --images" in capsys.readouterr().err


def test_a_data_set_without_objects(tmp_path):
    content = scene_dict() | {"annotations": []}
    (tmp_path / "empty.json").write_text(json.dumps(content))
    with pytest.raises(ZipSegError, match="no image with objects"):
        from_files(tmp_path / "empty.json", tmp_path).sample(2, 0)
