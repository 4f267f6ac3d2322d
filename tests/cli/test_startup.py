"""How little a command loads before it knows that it can run, and what never needs PyTorch."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.startup import MISSING, TINY, rows
from PIL import Image

from zipseg.cli.main import COMMANDS

# What makes a start slow; a command that imports one of them before it has to fails here.
HEAVY = ("torch", "torchvision", "detectron2", "open_clip", "segment_anything", "matplotlib")
NUMERIC = (*HEAVY, "numpy", "scipy", "cv2", "PIL", "pycocotools")
TOOLS = Path(__file__).parents[2] / "tools"
SCRIPTS = sorted(TOOLS.glob("[a-z]*.py"))
EXPERIMENTS = sorted((TOOLS / "experiments").glob("[a-z]*.py"))
# One interpreter runs the command lines that it is given, one after the other.
RUN = """
import contextlib, io, json, sys

missing, lines = json.loads(sys.argv[1])
sys.modules |= dict.fromkeys(missing)
from zipseg.cli.main import main

ends = []
for words in lines:
    with io.StringIO() as text, contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
        ends.append((code, text.getvalue()))
print(json.dumps(ends))
"""
KEYS = [  # changes of a config that do not fit, and what is said
    (("MODEL.ZIP.SEGMENTR.WEIGHTS", "auto"), "no such key; did you mean MODEL.ZIP.SEGMENTER.WEI"),
    (("MODEL.ZIP.SAM.WEIGHTS", "auto"), "no such key; MODEL.ZIP has ACTIVATION, AUTOCAST, BOUND"),
    (
        ("MODEL.ZIP.CLUSTERING.K", "few"),
        "MODEL.ZIP.CLUSTERING.K: 'few' is of type str, expected in",
    ),
    (("MODEL.ZIP", "few"), "MODEL.ZIP: is a section of keys; give MODEL.ZIP.KEY VALUE"),
    (("MODEL.DEVICE", "cpu", "TRAINING.SHARS", "3"), "TRAINING.SHARS: no such key; did you mean"),
]
MISTAKES = [
    *((name, *words) for name, words in MISSING.items()),
    ("predict", ".", "--names", "cat", "--config-file", "none.yaml"),
]


def run(lines: Iterable[Iterable], missing: tuple[str, ...], folder: Path) -> list[tuple[int, str]]:
    """Exit code and what was written of each command line, without some packages."""
    words = json.dumps([missing, [[str(word) for word in line] for line in lines]])
    done = subprocess.run(
        [sys.executable, "-c", RUN, words],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_help_and_a_typo_need_no_library_of_numbers(tmp_path):
    for code, text in run([(name, "--help") for name in COMMANDS], NUMERIC, tmp_path):
        assert code == 0, text
    for code, text in run([(name, "--no-such-option") for name in COMMANDS], NUMERIC, tmp_path):
        assert code == 2, text
        assert "no option --no-such-option" in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scripts_of_a_checkout_are_commands(script):
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: zipseg ")


@pytest.mark.parametrize("script", EXPERIMENTS, ids=lambda script: script.stem)
def test_scripts_of_experiments_explain_themselves_at_once(script):
    code = f"import runpy, sys; sys.modules |= dict.fromkeys({HEAVY}); sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    for words, end in (("--help", 0), ("--no-such-option", 2)):
        line = [sys.executable, "-c", code, script, words]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == end, done.stderr
        assert (end == 0) == ("usage: " in done.stdout)


def test_what_is_missing_is_said_before_any_is_loaded(tmp_path):
    for words, (code, text) in zip(MISTAKES, run(MISTAKES, NUMERIC, tmp_path), strict=True):
        assert code == 2, (words, text)
        assert "no such" in text or "does not exist" in text


def test_keys_of_its_own_are_looked_at_before_any_is_loaded(tmp_path):
    start = ("label", ".", "--names", "cat", "--config-file", TINY, "--output", "o")
    lines = [(*start, *pairs) for pairs, _ in KEYS]
    second = ("self-train", "--config-file", TINY, "--zip-config", TINY, "--dataset", "d")
    lines.append((*second, "--output", "o", "--zip-opts", " ".join(KEYS[0][0])))
    told = [said for _, said in KEYS] + [KEYS[0][1]]
    for said, (code, text) in zip(told, run(lines, NUMERIC, tmp_path), strict=True):
        assert code == 2, text
        assert said in text
        assert text.count("\n") == 1


def test_names_that_cannot_be_read_are_said_before_pytorch_is_loaded(tmp_path):
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    words = ("predict", "a.png", "--names", "latin.txt", "--config-file", TINY)
    # Without detectron2 the command ends earlier: here it is only heard of.
    ((code, text),) = run([words], tuple(set(HEAVY) - {"detectron2"}), tmp_path)
    assert code == 2
    assert "latin.txt: cannot be read as UTF-8" in text


@pytest.fixture
def files(tmp_path) -> Path:
    """Annotations, labels with scores on the same images, and a run's folder."""
    images = [{"id": i, "file_name": f"{i}.png", "height": 40, "width": 40} for i in (1, 2)]
    categories = [{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}]
    polygon = [[4.0, 4.0, 24.0, 4.0, 24.0, 24.0, 4.0, 24.0]]
    annotations = [
        {"id": i, "image_id": i, "category_id": i, "bbox": [4, 4, 20, 20], "area": 400.0}
        | {"iscrowd": 0, "segmentation": polygon}
        for i in (1, 2)
    ]
    truth = {"images": images, "categories": categories, "annotations": annotations}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    labels = truth | {"annotations": [{**a, "score": 0.9} for a in annotations], "info": {}}
    (run_folder / "labels.json").write_text(json.dumps(labels))
    for image in images:
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / image["file_name"])
    return tmp_path


def test_work_on_files_needs_no_pytorch(files):
    labels = "run/labels.json"
    made = {
        "kept.json": ("filter", labels, "kept.json", "--min-score", 0.5),
        "merged.json": ("merge", labels, labels, "merged.json"),
        "parts": ("splits", "truth.json", "--percent", 50, "--output", "parts"),
        "evaluation": ("evaluate", "truth.json", labels, "--output", "evaluation"),
        "both/comparison.md": ("compare", "a=evaluation", "b=evaluation", "--output", "both"),
        "run/report.html": ("report", "run", "--truth", "truth.json", "--images", "."),
    }
    for path, (code, text) in zip(made, run(made.values(), HEAVY, files), strict=True):
        assert code == 0, text
        assert (files / path).exists()
        assert "Warning" not in text
    report = json.loads((files / "evaluation" / "evaluation.json").read_text())
    assert report["results"]["segm"]["AP"] == pytest.approx(100)


def test_whoever_has_seen_enough_ends_a_command_quietly(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "zipseg", "tables", "--list"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_importing_the_package_needs_no_library_of_numbers(tmp_path):
    code = f"import sys; sys.modules |= dict.fromkeys({NUMERIC})\n"
    code += "import zipseg; print(zipseg.get_config_file('Base-Zip.yaml'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_without_detectron2_one_line_says_how_to_get_it(tmp_path):
    ((code, text),) = run([["demo"]], NUMERIC, tmp_path)
    assert code == 2
    assert text.count("\n") == 1
    assert "zipseg install-detectron2" in text


def test_what_a_start_costs_is_measured_for_each_kind_of_line(tmp_path):
    (demo, name) = rows(["demo", "filter"], str(tmp_path))
    assert demo[3] == "-"
    assert all(float(seconds) > 0 for seconds in (*demo[1:3], *name[1:]))
