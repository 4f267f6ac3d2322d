import hashlib
import multiprocessing
import runpy
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from pycocotools.coco import COCO

from zipseg.data.images import read_image
from zipseg.zipworld.scenes import (
    CATEGORY_NAMES,
    UNSEEN_NAMES,
    ensure_rendered,
    register_zipworld,
    scene_for,
)

PREPARE = Path(__file__).parents[3] / "datasets/prepare_zipworld.py"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    ensure_rendered("zipworld_mini", root)
    return root


@pytest.fixture
def registered(rendered):
    """ZipWorld below ``rendered`` for the length of one test."""
    register_zipworld(rendered)
    yield rendered
    register_zipworld()


def digests(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_annotations_agree_with_the_scenes(rendered):
    coco = COCO(str(rendered / "zipworld/annotations/zipworld_mini.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(CATEGORY_NAMES)
    assert len(coco.imgs) == 40
    for index in (0, 17, 39):
        scene = scene_for("zipworld_mini", index)
        (record,) = coco.loadImgs([index + 1])
        file = rendered / "zipworld/mini" / record["file_name"]
        assert (read_image(file, "RGB") == scene.image).all()
        annotations = coco.loadAnns(coco.getAnnIds([index + 1]))
        assert [a["category_id"] - 1 for a in annotations] == scene.categories.tolist()
        for annotation, mask in zip(annotations, scene.masks, strict=True):
            assert (coco.annToMask(annotation).astype(bool) == mask).all()
            y, x = np.nonzero(mask)
            box = [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
            assert annotation["bbox"] == box
            assert annotation["area"] == mask.sum()
            assert annotation["iscrowd"] == 0


def test_a_run_that_was_cut_off_ends_with_the_same_bytes(rendered):
    before = digests(rendered)
    (rendered / "zipworld/annotations/zipworld_mini.json").unlink()
    folder = rendered / "zipworld/mini"
    for index in (3, 30):
        (folder / f"{index:06d}.png").unlink()
    (folder / "000004.png").write_bytes(b"half an ima")
    kept = (folder / "000005.png").stat().st_mtime_ns
    ensure_rendered("zipworld_mini", rendered)
    assert digests(rendered) == before
    assert (folder / "000005.png").stat().st_mtime_ns == kept


def test_a_lost_picture_is_rendered_again(rendered):
    before = digests(rendered)
    (rendered / "zipworld/mini/000007.png").unlink()
    ensure_rendered("zipworld_mini", rendered)
    assert digests(rendered) == before


def test_a_complete_split_is_left_alone(rendered, monkeypatch):
    monkeypatch.setattr("zipseg.zipworld.scenes.dataset.scene_for", None)
    assert ensure_rendered("zipworld_mini", rendered).is_file()


def test_what_was_rendered_of_other_scenes_is_rendered_anew(rendered):
    before = digests(rendered)
    file = rendered / "zipworld/annotations/zipworld_mini.json"
    file.write_bytes(file.read_bytes().replace(b"seeds 15000000", b"seeds 25000000"))
    (rendered / "zipworld/mini/000003.png").write_bytes(b"another scene")
    ensure_rendered("zipworld_mini", rendered)
    assert digests(rendered) == before


def test_unknown_split_is_refused(tmp_path):
    with pytest.raises(KeyError, match="zipworld_pretrain"):
        ensure_rendered("zipworld_pretrain", tmp_path)


def test_detectron2_loads_the_data_set(registered):
    register_zipworld(registered)
    records = DatasetCatalog.get("zipworld_mini")
    metadata = MetadataCatalog.get("zipworld_mini")
    assert len(records) == 40
    assert Path(records[0]["file_name"]).is_file()
    scene = scene_for("zipworld_mini", 0)
    assert [a["category_id"] for a in records[0]["annotations"]] == scene.categories.tolist()
    assert metadata.thing_classes == list(CATEGORY_NAMES)
    assert metadata.unseen_names == UNSEEN_NAMES
    assert metadata.evaluator_type == "coco"
    assert Path(metadata.json_file).is_file()


def test_another_root_replaces_the_first(registered, tmp_path):
    register_zipworld(tmp_path)
    assert MetadataCatalog.get("zipworld_val").image_root == str(tmp_path / "zipworld/val")


def test_two_processes_write_the_same_bytes(rendered, tmp_path):
    fork = multiprocessing.get_context("fork")
    runs = [fork.Process(target=ensure_rendered, args=("zipworld_mini", tmp_path)) for _ in "ab"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
        assert run.exitcode == 0
    assert digests(tmp_path) == digests(rendered)


def test_command_line(rendered, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["prepare", "zipworld_mini", "--root", str(rendered)])
    runpy.run_path(str(PREPARE), run_name="__main__")
    assert capsys.readouterr().out.strip().endswith("zipworld_mini.json")
    monkeypatch.setattr("sys.argv", ["prepare", "zipworld_maxi"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(PREPARE), run_name="__main__")
    assert "zipworld_maxi" in capsys.readouterr().err
