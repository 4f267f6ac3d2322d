"""Malformed inputs through the commands that run models: labels and pictures to train on, pictures
and names to predict and label with. Each ends in one line and exit code 2, or is passed over and
counted."""

import json

import pytest
from PIL import Image
from tests.labeling.corpus import ANNOTATION_FILES, IMAGES, NAME_LISTS
from tests.labeling.fakes import TINY_CONFIG
from tests.logs import warnings_of
from tests.pseudo_labels import ROOT, TINY
from tests.tools.field_files import NAME_FILES, REFUSED, TAKEN
from tests.tools.odd_files import TRUTH, edited, written
from tests.tools.test_malformed import NAMES, RESULT_FILES
from tests.tools.test_users_files import refusal
from tools import generate_pseudo_labels, predict, train_net

RANDOM_ZIP = str(ROOT / "configs" / "Test" / "zip_tiny_random.yaml")
FILES = {**ANNOTATION_FILES, **REFUSED}


@pytest.fixture
def warnings():
    """Those of the whole package."""
    with warnings_of("zipseg") as lines:
        yield lines


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in "ab":
        Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(folder / f"{name}.jpg")
    return folder


def train(folder, output, key="TRAIN") -> list:
    data = f"('{folder / 'labels.json'}',)"
    more = ["DATASETS.TRAIN", "()", "--eval-only"] if key == "TEST" else ["SOLVER.MAX_ITER", 1]
    call = ["--config-file", TINY, f"DATASETS.{key}", data, *more, "OUTPUT_DIR", output]
    return [str(word) for word in sorted(call, key=lambda word: word != "--eval-only")]


@pytest.mark.parametrize("kind", FILES)
def test_labels_to_train_on_and_to_evaluate_with(kind, photos, tmp_path, capsys):
    content, told = FILES[kind]
    path = written(tmp_path / "labels.json", content)
    for key in ("TRAIN", "TEST"):
        line = refusal(train_net, train(tmp_path, tmp_path / "out", key), capsys)
        assert str(path) in line
        assert kind in ANNOTATION_FILES or told in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", TAKEN)
def test_labels_that_are_taken_with_a_word(kind, photos, tmp_path, capsys, warnings):
    content, told = TAKEN[kind]
    for photo in photos.iterdir():
        (tmp_path / photo.name).symlink_to(photo)
    (tmp_path / "in").symlink_to(photos)
    written(tmp_path / "labels.json", content)
    call = train(tmp_path, tmp_path / "out")
    if all(a.get("segmentation") in (None, {}, []) for a in content["annotations"]):
        line = refusal(train_net, call, capsys)
        assert "no label to train on (3 with" in line
    else:
        train_net.main(call)
    assert not told or any(told in line for line in warnings)


@pytest.mark.parametrize("name", IMAGES)
def test_pictures_to_train_on(name, tmp_path, capsys):
    content, reason = IMAGES[name]
    (tmp_path / name).write_bytes(content)
    labels = edited(TRUTH, lambda t: [i.update(file_name=name) for i in t["images"]])
    written(tmp_path / "labels.json", labels)
    line = refusal(train_net, train(tmp_path, tmp_path / "out"), capsys)
    assert str(tmp_path / name) in line
    assert reason in line


@pytest.fixture
def odd_pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, (content, _) in IMAGES.items():
        (folder / name).write_bytes(content)
    Image.new("RGB", (64, 48), 90).save(folder / "good.png")
    Image.new("CMYK", (64, 48), 90).save(folder / "cmyk.jpg")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "drawing.svg").write_text("<svg/>")
    return folder


def test_pictures_to_predict(odd_pictures, tmp_path, capsys, warnings):
    call = [odd_pictures, "--names", "cat", "--config-file", RANDOM_ZIP, "--output", tmp_path / "o"]
    assert predict.main([str(word) for word in call]) == 0
    text = capsys.readouterr().out
    assert f"in 2 images, {len(IMAGES)} images skipped" in text
    for name, (_, reason) in IMAGES.items():
        (line,) = [x for x in warnings if f"{name}: " in x]
        assert reason in line
    assert any("passed over: 1 links to nothing, 1 .svg" in line for line in warnings)
    found = json.loads((tmp_path / "o" / "predictions.json").read_text())
    names = [odd_pictures / name for name in ("cmyk.jpg", "good.png")]
    assert sorted(image["file_name"] for image in found["images"]) == [str(x) for x in names]


def test_pictures_to_label(odd_pictures, tmp_path, capsys, warnings):
    call = [odd_pictures, "--names", "a,b,c", "--config-file", TINY_CONFIG, "--max-failures", 1]
    generate_pseudo_labels.main([str(w) for w in (*call, "--output", tmp_path / "o")])
    failures = json.loads((tmp_path / "o" / "failures.json").read_text())
    assert {failure["file_name"] for failure in failures} == set(IMAGES)
    for failure in failures:
        assert IMAGES[failure["file_name"]][1] in failure["reason"]
    assert any("passed over: 1 links to nothing, 1 .svg" in line for line in warnings)


@pytest.mark.parametrize("name", NAME_FILES)
def test_names_to_predict_and_label_with(name, photos, tmp_path, capsys):
    content, told = NAME_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    call = [photos, "--names", path, "--output", tmp_path / "out"]
    for tool, config in ((predict, RANDOM_ZIP), (generate_pseudo_labels, TINY_CONFIG)):
        line = refusal(tool, [*call, "--config-file", config], capsys)
        assert line.startswith(f"error: {path}: ")
        assert told in line
    assert not (tmp_path / "out" / "labels.json").exists()


def test_how_many_malformed_inputs_there_are():
    """Of one kind each, in all commands together, as docs/files.md says."""
    kinds = (FILES, TAKEN, IMAGES, NAME_FILES, NAME_LISTS, RESULT_FILES, NAMES)
    assert sum(map(len, kinds)) >= 200
