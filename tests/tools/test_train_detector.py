"""From the command lines alone: train on pseudo-labels, evaluate, label with the detector."""

import json

from tests.processes import command
from tests.pseudo_labels import TINY, write_label_file

CONFIG = ("--config-file", TINY)


def run(log, *words):
    """Exit code and output of a command in a process of its own."""
    log.unlink(missing_ok=True)
    process = command([str(word) for word in words], log)
    process.join()
    return process.exitcode, log.read_text()


def test_train_evaluate_and_label(tmp_path):
    labels = write_label_file(tmp_path / "labels")
    (tmp_path / "names.txt").write_text("square\ndisc\n")
    log = tmp_path / "log"
    out, weights = tmp_path / "out", tmp_path / "out" / "model_final.pth"
    train = ["DATASETS.TRAIN", f"('{labels}',)", "OUTPUT_DIR", out]
    code, text = run(log, "train", *CONFIG, "--resume", *train)
    assert code == 0, text
    assert weights.exists()

    test = ["DATASETS.TEST", f"('{labels}',)", "OUTPUT_DIR", tmp_path / "eval"]
    code, text = run(log, "train", *CONFIG, "--eval-only", "MODEL.WEIGHTS", weights, *test)
    assert code == 0, text
    assert "segm" in text
    found = tmp_path / "eval" / "inference" / "labels" / "coco_instances_results.json"
    assert {r["category_id"] for r in json.loads(found.read_text())} <= {3, 8}

    folder = [tmp_path / "labels", "--names", tmp_path / "names.txt"]
    options = ["MODEL.WEIGHTS", weights, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"]
    again = tmp_path / "again"
    code, text = run(log, "label", *CONFIG, *folder, "--output", again, *options)
    assert code == 0, text
    made = json.loads((again / "labels.json").read_text())
    assert made["annotations"]
    assert made["info"]["provenance"]["source"]["root"] == str(tmp_path / "labels")

    round2 = ["DATASETS.TRAIN", f"('{again / 'labels.json'}',)", "OUTPUT_DIR", tmp_path / "round2"]
    code, text = run(
        log, "train", *CONFIG, "MODEL.WEIGHTS", weights, "SOLVER.MAX_ITER", "1", *round2
    )
    assert code == 0, text

    code, text = run(
        log, "train", *CONFIG, "DATASETS.TRAIN", "('/none/labels.json',)", "OUTPUT_DIR", out
    )
    assert code == 2
    assert "error: DATASETS.TRAIN: '/none/labels.json' does not exist" in text
    assert "Traceback" not in text
