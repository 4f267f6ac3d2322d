"""The shards of a finished run, streamed into one COCO-format file that registers as it is."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np

from ..data.coco_format import write_list
from ..utils.files import replacing_text
from .shards import ShardIndex, index_shards

LABELS, FAILURES, SUMMARY = "labels.json", "failures.json", "summary.json"


def merge(output: Path, provenance: dict, count: int) -> dict:
    """Writes ``labels.json``, ``failures.json`` and ``summary.json`` into ``output``.

    The labels are in the order of the images, so neither the number of processes nor their ends
    and restarts show; ``info.date_created`` is the only field that differs between equal runs.

    Args:
        provenance: goes into ``info``.
        count: how many images the run has.

    Returns:
        The summary: counts, labels per category, throughput.

    Raises:
        CannotWrite: older files are left as they were.
    """
    index = index_shards(output / "run" / "shards", count)
    with replacing_text(output / LABELS) as file:
        labels = _write_labels(file, index, provenance)
    with replacing_text(output / FAILURES) as file:
        failures = ({**r["image"], "reason": r["failure"]} for r in _failures(index))
        write_list(file, failures)
        file.write("\n")
    names = {c["id"]: c["name"] for c in provenance["categories"]}
    summary = {
        "images": int((index.shard >= 0).sum() - index.failed.sum()),
        "failures": int(index.failed.sum()),
        "annotations": sum(labels.values()),
        "categories": {name: labels[i] for i, name in names.items()},
        "throughput": _throughput(index),
        "damaged_shard_lines": index.damaged,
        "shard_bytes": index.size,
    }
    with replacing_text(output / SUMMARY) as file:
        json.dump(summary, file, indent=1)
    return summary


def is_merged(output: Path) -> bool:
    """Whether ``merge`` has come to its end after the last result was appended."""
    try:
        # The run's own summary, not a COCO file.
        merged = json.loads((output / SUMMARY).read_text())["shard_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    shards = (output / "run" / "shards").glob("*.jsonl")
    return (output / LABELS).exists() and merged == sum(path.stat().st_size for path in shards)


def read_summary(output: Path) -> dict:
    """What ``merge`` returned when it wrote ``summary.json``."""
    # The run's own summary, not a COCO file.
    return json.loads((output / SUMMARY).read_text())


def outcome(output: Path, code: int, report: bool = False) -> str:
    """One paragraph for the user: what the folder of a run holds after a process ended.

    Args:
        report: whether one was asked for.
    """
    if code:
        return f"{output}: incomplete (exit code {code}); start the same command again to go on"
    if not is_merged(output):
        return f"{output}: this process is done; others are still at work"
    found = read_summary(output)
    return (
        f"{output / LABELS}: {found['annotations']:,} labels on {found['images']:,} images\n"
        f"{output / FAILURES}: {found['failures']:,} images failed"
        + (f"\n{output / 'report.html'}: open it in a browser" if report else "")
    )


def _write_labels(file: TextIO, index: ShardIndex, provenance: dict) -> Counter:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    file.write(f'{{"info": {{"date_created": "{now}",\n')
    info = {"description": "Pseudo-labels", "provenance": provenance}
    file.write(json.dumps(info, sort_keys=True).removeprefix("{"))
    file.write(',\n"licenses": [],\n"categories": ')
    write_list(file, provenance["categories"])
    file.write(',\n"images": ')
    write_list(file, (record["image"] for record in _labelled(index)))
    file.write(',\n"annotations": ')
    counts: Counter = Counter()
    write_list(file, _annotations(index, counts))
    file.write("}\n")
    return counts


def _annotations(index: ShardIndex, counts: Counter) -> Iterator[dict]:
    for record in _labelled(index):
        for annotation in record["annotations"]:
            counts[annotation["category_id"]] += 1
            yield {"id": counts.total(), **annotation}


def _labelled(index: ShardIndex) -> Iterator[dict]:
    return (record for record in index.records() if "failure" not in record)


def _failures(index: ShardIndex) -> Iterator[dict]:
    only = np.where(index.failed, index.shard, -1)
    return index._replace(shard=only).records()


def _throughput(index: ShardIndex) -> dict:
    """When images were finished and what the model took: the one place where processes show."""
    count = int((index.shard >= 0).sum())
    pairs = ((r["time"], r.get("seconds", 0.0)) for r in index.records())
    times = np.fromiter(pairs, np.dtype((float, 2)), count)
    finished, seconds = np.sort(times[:, 0]), times[:, 1]
    elapsed = float(finished[-1] - finished[0]) if count > 1 else 0.0
    bins, edges = np.histogram(finished, bins=min(30, count // 4 + 1))
    return {
        "elapsed_seconds": round(elapsed, 3),
        "model_seconds": round(float(seconds.sum()), 3),
        "images_per_second": round((count - 1) / elapsed, 3) if elapsed else 0.0,
        "processes": len(np.unique(index.shard[index.shard >= 0])),
        "timeline": {"start": edges[0], "end": edges[-1], "images": bins.tolist()},
    }
