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
        content["annotations"] += [each | {"image_id": n} for each in annotations]
    (tmp_path / "squares.json").write_text(json.dumps(content))
    return tmp_path


def run(folder, name, *options) -> dict:
    output = folder / "out.json"
    counts = ["--tuning-images", "2", "--reported-images", "2", "--cells", "32"]
    files = ["--json", str(folder / name), "--images", str(folder), "--output", str(output)]
    main([*files, *counts, *options])
    return json.loads(output.read_text())


def test_squares(squares, capsys):
    content = run(squares, "squares.json", "--sources", "none", "lab", "--pictures", str(squares))
    used = content["run"]
    assert not set(used["tuning"]["images"]) & set(used["reported"]["images"])
    none, colour = (row["methods"] for row in content["rows"])
    for method in ("watershed", "clusters", "silhouette"):
        score = colour[method]["best_f1"]["reported"]
        assert score == {"recall": 1, "precision": 1}
        assert colour[method]["at_precision"]["reported"] == score
        assert colour[method]["boundaries"]["contact_recall"] == 1
    # One box over both squares has an IoU of 0.5 with one of them.
    assert none["watershed"]["best_f1"]["reported"]["recall"] == pytest.approx(2 / 3)
    assert len(list(squares.glob("lab_watershed_*.png"))) == 2
    table = (squares / "out.md").read_text()
    assert "| lab | watershed | 1.000 | 1.000 |" in table
    assert "tools/experiments/probe_boundaries.py --json" in table
    assert table in capsys.readouterr().out


def test_rows_are_kept(squares, capsys):
    first = run(squares, "squares.json", "--methods", "watershed", "--sources", "none")
    both = run(squares, "squares.json", "--methods", "watershed", "--sources", "none", "lab")
    assert both["rows"][0] == first["rows"][0]
    assert "1 to measure" in capsys.readouterr().out
    run(squares, "squares.json", "--methods", "watershed", "--sources", "lab", "--again")
    assert "1 to measure" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(squares, "squares.json", "--methods", "watershed", "--sources", "none", "--seed", "1")
    assert "name another --output" in capsys.readouterr().err


def test_zipworld_scenes_with_untrained_networks(tmp_path):
    content = {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(CATEGORY_NAMES, 1)]
    for n in range(1, 5):
        scene = scene_for("zipworld_mini", n)
        cv2.imwrite(str(tmp_path / f"{n}.png"), scene.image[:, :, ::-1])
        content["images"].append({"id": n, "file_name": f"{n}.png", "height": 256, "width": 256})
        content["annotations"] += scene_annotations(scene, n, len(content["annotations"]) + 1)
    (tmp_path / "scenes.json").write_text(json.dumps(content))
    asked = ("--sources", "untrained.layer2", "none", "--cells", "16")
    one, two = (
        run(tmp_path, "scenes.json", *asked, *again)["rows"] for again in ((), ("--again",))
    )
    assert [row["methods"] for row in one] == [row["methods"] for row in two]
    learned, none = (row["methods"] for row in one)
    assert learned["watershed"]["boundaries"]["contact_recall"] > 0
    assert 0 < none["silhouette"]["best_f1"]["reported"]["recall"] < 1
    assert "untrained" not in one[0]["note"]
    assert "random weights" in one[0]["note"]


def test_bad_images_are_left_out(squares, caplog):
    kept = json.loads((squares / "squares.json").read_text())
    (squares / f"{kept['images'][0]['id']}.png").write_bytes(b"broken")
    content = run(squares, "squares.json", "--sources", "none")
    assert content["rows"]
    assert "left out" in caplog.text


def test_a_data_set_without_objects(tmp_path):
    content = scene_dict() | {"annotations": []}
    (tmp_path / "empty.json").write_text(json.dumps(content))
    with pytest.raises(ZipSegError, match="no image with objects"):
        from_files(tmp_path / "empty.json", tmp_path).sample(2, 0)
