"""From the command lines alone: train on pseudo-labels, evaluate, label with the detector."""

import json
import subprocess
import sys

from tests.pseudo_labels import ROOT, TINY, write_label_file


def run(tool, *arguments):
    call = [sys.executable, str(ROOT / "tools" / tool), "--config-file", TINY, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=600)


def test_train_evaluate_and_label(tmp_path):
    labels = write_label_file(tmp_path / "labels")
    (tmp_path / "names.txt").write_text("square\ndisc\n")
    out, weights = tmp_path / "out", tmp_path / "out" / "model_final.pth"
    train = ["DATASETS.TRAIN", f"('{labels}',)", "OUTPUT_DIR", out]
    done = run("train_net.py", "--resume", *train)
    assert done.returncode == 0, done.stderr
    assert weights.exists()

    test = ["DATASETS.TEST", f"('{labels}',)", "OUTPUT_DIR", tmp_path / "eval"]
    done = run("train_net.py", "--eval-only", "MODEL.WEIGHTS", weights, *test)
    assert done.returncode == 0, done.stderr
    assert "segm" in done.stdout
    found = tmp_path / "eval" / "inference" / "labels" / "coco_instances_results.json"
    assert {r["category_id"] for r in json.loads(found.read_text())} <= {3, 8}

    folder = [tmp_path / "labels", "--names", tmp_path / "names.txt"]
    options = ["MODEL.WEIGHTS", weights, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"]
    again = tmp_path / "again"
    done = run("generate_pseudo_labels.py", *folder, "--output", again, *options)
    assert done.returncode == 0, done.stderr
    made = json.loads((again / "labels.json").read_text())
    assert made["annotations"]
    assert made["info"]["provenance"]["source"]["root"] == str(tmp_path / "labels")

    round2 = ["DATASETS.TRAIN", f"('{again / 'labels.json'}',)", "OUTPUT_DIR", tmp_path / "round2"]
    done = run("train_net.py", "MODEL.WEIGHTS", weights, "SOLVER.MAX_ITER", "1", *round2)
    assert done.returncode == 0, done.stderr

    done = run("train_net.py", "DATASETS.TRAIN", "('/none/labels.json',)", "OUTPUT_DIR", out)
    assert done.returncode == 2
    assert "error: DATASETS.TRAIN: '/none/labels.json' does not exist" in done.stderr
    assert "Traceback" not in done.stderr
