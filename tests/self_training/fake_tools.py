"""Stands for all of the console command's subcommands, in milliseconds.

Training counts to ITERATIONS with a checkpoint each, and its "weights" are a hash of all that a
training depends on; labels and metrics follow from those of the model. FAKE_FAIL=name:code makes
one fail, FAKE_SECONDS is how long an iteration takes; every start is written to LOG beside this
file.
"""

import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

ITERATIONS, SECONDS = 6, float(os.environ.get("FAKE_SECONDS", "0.01"))
HERE = Path(sys.argv[0])


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def write(path: str | Path, content: object) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content))
    os.replace(temporary, path)


def options(words: list[str]) -> dict[str, str]:
    """Of "--key value" and "KEY value" alike; flags take no part."""
    words = [w for w in words if w not in ("--resume", "--eval-only", "--any-category")]
    return dict(zip(words[::2], words[1::2], strict=True))


def identity(path: str) -> str:
    return json.loads(Path(path).read_text())["identity"] if path else ""


def coco(annotations: list[dict]) -> dict:
    """One image with an object for each of the annotations."""
    whole = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8], "area": 64, "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": "1.png", "height": 8, "width": 8}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [{"id": i, **whole, **each} for i, each in enumerate(annotations, 1)],
    }


def train(given: dict[str, str]) -> None:
    output = Path(given["OUTPUT_DIR"])
    (labels,) = re.findall(r"'([^']+)'", given["DATASETS.TRAIN"])
    source = identity(labels) if labels.endswith(".json") else labels
    if "--percent" in given:
        source = digest(given["--percent"], given["--split-seed"])
        split = f"{given['--percent']}perc_seen.json"
        write(output / split, coco([{}, {}]))
    state = digest(identity(given.get("MODEL.WEIGHTS", "")), source)
    checkpoint = output / "checkpoint.json"
    at, state = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, state)
    while at < ITERATIONS:
        time.sleep(SECONDS)
        at, state = at + 1, digest(at, state)
        write(checkpoint, (at, state))
    write(output / "model_final.pth", {"identity": state})


def evaluate(given: dict[str, str]) -> None:
    time.sleep(SECONDS)
    model = identity(given.get("MODEL.WEIGHTS", ""))
    value = int(digest(model, given["--config-file"])[:4], 16) / 655.36
    results = {"segm": {"AP": value, "AP50": value, "AP75": None}}
    write(f"{given['OUTPUT_DIR']}/inference/seen/evaluation.json", {"results": results})


def labels(path: str, *of: str) -> None:
    time.sleep(SECONDS)
    state = digest(*of)
    content = coco([{"score": 0.5}] * (int(state[:2], 16) + 1))
    write(path, {"info": {"now": time.time()}, **content, "identity": state})


def main(script: str, words: list[str]) -> int:
    failing, _, code = os.environ.get("FAKE_FAIL", "").partition(":")
    with (HERE.parent / "LOG").open("a") as log:
        log.write(f"{script} {' '.join(words)}\n")
    if script == failing:
        return int(code)
    if script == "train":
        (evaluate if "--eval-only" in words else train)(options(words))
    elif script == "label":
        given = options(words)
        model = identity(given.get("MODEL.WEIGHTS", ""))
        labels(f"{given['--output']}/labels.json", model, given["--dataset"])
    elif script == "compare":
        first, other, _, output = words
        runs = [json.loads(Path(run.split("=")[1]).read_text()) for run in (first, other)]
        aps = [run["results"]["segm"]["AP"] for run in runs]
        interval = {"difference": aps[1] - aps[0], "low": -1.0, "high": 1.0}
        compared = {"task": "segm", "intervals": {other.split("=")[0]: {"AP": interval}}}
        write(f"{output}/comparison.json", [compared])
    elif script == "probe":
        given = options(words)
        write(given["--output"], {"best_f1": {"recall": 50.0}, "note": given["--source"]})
    elif script == "lost":
        folder = options([word for word in words if word != "--ceilings"])["--output"]
        if "--ceilings" in words:
            write(f"{folder}/ceilings.json", {"rows": [{"given": "as it is", "AP": 9.0}]})
        else:
            write(f"{folder}/attribution.json", {"percent": {"all": {"objects": 7}}})
    elif script == "filter":
        labels(words[1], identity(words[0]))
    else:
        labels(words[2], identity(words[0]), identity(words[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
