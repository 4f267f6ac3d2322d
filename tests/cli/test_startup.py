"""How little a command loads before it knows that it can run, and what never needs PyTorch."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zipseg.cli.main import COMMANDS

# What makes a start slow; a command that imports one of them before it has to fails here.
WITHOUT = "import sys\nfor name in {}: sys.modules[name] = None\n"
RUN = "from zipseg.cli.main import main\nsys.exit(main(sys.argv[1:]))"
HEAVY = ("torch", "torchvision", "detectron2", "open_clip", "segment_anything", "matplotlib")
NUMERIC = (*HEAVY, "numpy", "scipy", "cv2", "PIL", "pycocotools")
TINY = "Test/zip_tiny_random.yaml"


def run(words: list, missing: tuple[str, ...], folder: Path) -> tuple[int, str, float]:
    """Exit code, what was written, and seconds of CPU, in an interpreter without some packages."""
    code = WITHOUT.format(missing) + RUN
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return done.returncode, done.stdout + done.stderr, seconds


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_a_typo_take_a_moment(name, tmp_path):
    code, text, seconds = run([name, "--help"], NUMERIC, tmp_path)
    assert code == 0, text
    assert seconds < 1
    code, text, seconds = run([name, "--no-such-option"], NUMERIC, tmp_path)
    assert code == 2
    assert "no option --no-such-option" in text
    assert seconds < 1


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "/none", "--names", "cat"),
        ("predict", ".", "--names", "cat", "--config-file", "none.yaml"),
        ("label", "/none", "--names", "cat", "--config-file", TINY, "--output", "o"),
        ("train", "--config-file", "none.yaml"),
        (
            *("self-train", "--config-file", "none.yaml", "--zip-config", TINY),
            *("--dataset", "d", "--output", "o"),
        ),
        ("lost", "--config-file", "none.yaml", "--output", "o"),
        ("download", "--config-file", "none.yaml"),
        ("evaluate", "none.json", "none.json", "--output", "o"),
        ("compare", "none"),
        ("report", "none"),
        ("filter", "none.json", "o.json"),
        ("merge", "none.json", "none.json", "o.json"),
        ("splits", "none.json"),
    ],
)
def test_what_is_missing_is_said_in_a_moment(words, tmp_path):
    code, text, seconds = run(words, NUMERIC, tmp_path)
    assert code == 2, text
    assert "no such" in text or "does not exist" in text
    assert seconds < 1


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


def test_work_on_files_needs_no_pytorch_and_starts_in_two_seconds(files):
    labels = "run/labels.json"
    for words, made in (
        (("filter", labels, "kept.json", "--min-score", 0.5), "kept.json"),
        (("merge", labels, labels, "merged.json"), "merged.json"),
        (("splits", "truth.json", "--percent", 50, "--output", "parts"), "parts"),
        (("evaluate", "truth.json", labels, "--output", "evaluation"), "evaluation"),
        (("compare", "a=evaluation", "b=evaluation", "--output", "both"), "both/comparison.md"),
        (("report", "run", "--truth", "truth.json", "--images", "."), "run/report.html"),
    ):
        code, text, seconds = run(words, HEAVY, files)
        assert code == 0, text
        assert (files / made).exists()
        assert "Warning" not in text
        assert seconds < 4  # the start and the work
    report = json.loads((files / "evaluation" / "evaluation.json").read_text())
    assert report["results"]["segm"]["AP"] == pytest.approx(100)


def test_importing_the_package_is_quick(tmp_path):
    code = WITHOUT.format(NUMERIC) + "import zipseg; print(zipseg.get_config_file('Base-Zip.yaml'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_without_detectron2_one_line_says_how_to_get_it(tmp_path):
    code, text, seconds = run(["demo"], NUMERIC, tmp_path)
    assert code == 2
    assert text.count("\n") == 1
    assert "zipseg install-detectron2" in text
    assert seconds < 1
