#!/usr/bin/env python
"""Time and peak memory of reading COCO-format files of full size, beside pycocotools.

    tools/experiments/benchmark_reading.py --output output/reading

Makes a truth of LVIS's size and results of COCO's training images in OUTPUT once, reads each in a
process of its own, and prints a Markdown table, which is kept in OUTPUT/reading.json too.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pycocotools import mask as mask_util

LVIS = {"images": 100_170, "annotations": 1_270_141, "categories": 1_203}
COCO = {"images": 118_287, "annotations": 10 * 118_287, "categories": 80}
HEIGHT, WIDTH, POOL = 480, 640, 2000


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("output/reading"))
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--read", nargs=2, metavar=("WHAT", "READER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.read:
        print(json.dumps(measure(options.output, *options.read)))
        return
    make_files(options.output, options.share)
    rows = []
    for what in ("truth", "results"):
        for reader in ("pycocotools", "zipseg"):
            command = [sys.executable, __file__, "--output", str(options.output)]
            done = subprocess.run(
                [*command, "--read", what, reader], check=True, capture_output=True, text=True
            )
            # What ``measure`` has printed.
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], file=sys.stderr)
    (options.output / "reading.json").write_text(json.dumps(rows, indent=1))
    print(table(rows))


def measure(folder: Path, what: str, reader: str) -> dict:
    """Seconds of the processor for one file, and the process's peak memory in MiB."""
    truth, results = folder / "truth.json", folder / "results.json"
    if reader == "pycocotools":
        from pycocotools.coco import COCO as Reader

        before = None if what == "truth" else Reader(str(folder / "images.json"))
        begin = time.process_time()
        found = Reader(str(truth)) if before is None else before.loadRes(str(results))
        count = len(found.anns)
    else:
        from zipseg.data.coco_format import check_masks, read_results, read_truth

        before = None if what == "truth" else read_truth(folder / "images.json")
        begin = time.process_time()
        found = read_truth(truth) if before is None else read_results(results, before)
        count = len(found.image)
    seconds = time.process_time() - begin
    if (what, reader) == ("results", "zipseg"):
        check_masks(found)
    checked = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = (truth if what == "truth" else results).stat().st_size / 2**20
    return {
        "what": what,
        "reader": reader,
        "entries": count,
        "file_mib": round(size),
        "seconds": round(seconds, 2),
        "seconds_with_masks_decoded": round(checked, 2),
        "peak_mib": round(peak),
    }


def table(rows: list[dict]) -> str:
    """Markdown, with the shares of pycocotools' time and memory."""
    lines = [
        "| file | MiB | entries | reader | seconds | peak MiB |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for theirs, ours in zip(rows[::2], rows[1::2], strict=True):
        for row in (theirs, ours):
            shares = [f" ({row[k] / theirs[k]:.0%})" for k in ("seconds", "peak_mib")]
            time_share, memory_share = shares if row is ours else ("", "")
            lines.append(
                f"| {row['what']} | {row['file_mib']:,} | {row['entries']:,} | {row['reader']} "
                f"| {row['seconds']}{time_share} | {row['peak_mib']:,}{memory_share} |"
            )
    return "\n".join(lines)


def make_files(folder: Path, share: float) -> None:
    """``truth.json``, ``images.json`` and ``results.json``, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lvis, coco = (
        {k: v if k == "categories" else max(1, int(v * share)) for k, v in sizes.items()}
        for sizes in (LVIS, COCO)
    )
    if not (folder / "truth.json").exists():
        _write(folder / "truth.json", lvis, _annotations(lvis, rng))
    if not (folder / "images.json").exists():
        _write(folder / "images.json", coco, _annotations({**coco, "annotations": 1000}, rng))
    if not (folder / "results.json").exists():
        with (folder / "results.json").open("w") as file:
            _write_list(file, _results(coco, rng))


def _write(path: Path, sizes: dict, annotations: Iterator[str]) -> None:
    with path.open("w") as file:
        file.write('{"info": {"description": "made up"}, "annotations": ')
        _write_list(file, annotations)
        file.write(', "images": ')
        _write_list(file, (json.dumps(_image(i + 1)) for i in range(sizes["images"])))
        file.write(', "licenses": [], "categories": ')
        names = (
            json.dumps({"id": i + 1, "name": f"thing {i}", "frequency": "rcf"[i % 3]})
            for i in range(sizes["categories"])
        )
        _write_list(file, names)
        file.write("}")


def _write_list(file, entries: Iterator[str]) -> None:
    separator = "["
    for entry in entries:
        file.write(separator + entry)
        separator = ", "
    file.write("[]" if separator == "[" else "]")


def _image(number: int) -> dict:
    return {
        "license": 1,
        "file_name": f"{number:012d}.jpg",
        "coco_url": f"http://images.example.org/train2017/{number:012d}.jpg",
        "height": HEIGHT,
        "width": WIDTH,
        "date_captured": "2013-11-14 17:02:52",
        "flickr_url": f"http://farm7.example.org/6116/{number}_255d196562_z.jpg",
        "id": number,
        "neg_category_ids": [number % 7 + 1, number % 13 + 20],
        "not_exhaustive_category_ids": [],
    }


def _annotations(sizes: dict, rng: np.random.Generator) -> Iterator[str]:
    """LVIS's fields; polygons of some 45 points on average, as in its training file."""
    pool = []
    for _ in range(POOL):
        count = int(rng.integers(8, 84))
        turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
        radius = rng.uniform(5, 120) * rng.uniform(0.7, 1, count)
        x = (rng.uniform(0, WIDTH) + radius * np.cos(turn)).clip(0, WIDTH).round(2)
        y = (rng.uniform(0, HEIGHT) + radius * np.sin(turn)).clip(0, HEIGHT).round(2)
        box = [x.min(), y.min(), round(np.ptp(x), 2), round(np.ptp(y), 2)]
        polygon = np.stack([x, y], axis=1).ravel().tolist()
        area = round(box[2] * box[3] * 0.6, 2)
        fields = {"area": area, "segmentation": [polygon], "bbox": list(map(float, box))}
        pool.append(json.dumps(fields)[:-1])
    yield from _placed(sizes, pool, rng)


def _results(sizes: dict, rng: np.random.Generator) -> Iterator[str]:
    """Boxes, scores and compressed RLE of ellipses."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pool = []
    for _ in range(POOL):
        across, down = rng.uniform(6, 120, 2)
        centre = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        mask = ((x - centre[0]) / across) ** 2 + ((y - centre[1]) / down) ** 2 < 1
        rle = mask_util.encode(np.asfortranarray(mask, np.uint8))
        fields = {
            "bbox": mask_util.toBbox(rle).tolist(),
            "score": round(float(rng.random()), 6),
            "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
        }
        pool.append(json.dumps(fields)[:-1])
    return _placed(sizes, pool, rng)


def _placed(sizes: dict, pool: list[str], rng: np.random.Generator) -> Iterator[str]:
    """The pool's fields at random images and categories."""
    count = sizes["annotations"]
    columns = (
        rng.integers(0, len(pool), count),
        np.sort(rng.integers(1, sizes["images"] + 1, count)),
        rng.integers(1, sizes["categories"] + 1, count),
    )
    columns = [column.tolist() for column in columns]
    for number, (place, image, category) in enumerate(zip(*columns, strict=True), 1):
        ids = f'"id": {number}, "image_id": {image}, "category_id": {category}'
        yield f"{pool[place]}, {ids}}}"


if __name__ == "__main__":
    main()
