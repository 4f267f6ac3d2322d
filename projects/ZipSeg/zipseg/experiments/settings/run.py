"""Rows of a comparison: each variant evaluated on the same images, kept as soon as it is done."""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from detectron2.data import DatasetCatalog
from tqdm import tqdm

from ...engine.loader import ImageMapper
from ...engine.setup import load_config
from ...evaluation.evaluator import InstanceEvaluator
from ...utils.errors import ZipSegError
from ...utils.files import write_json
from .memo import Variants

logger = logging.getLogger(__name__)

METRICS = ("AP", "AP50", "AP75", "AR@100")


def read_variants(path: str | Path, only: Sequence[str] | None = None) -> dict[str, list]:
    """Variant name -> KEY VALUE list, from YAML; all, or those named by ``only``.

    Raises:
        ZipSegError: the file is missing, has another form, or lacks one of ``only``.
    """
    try:
        variants = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ZipSegError(f"{path}: cannot be read ({error})") from error
    if not isinstance(variants, dict) or not all(
        isinstance(options, list) and len(options) % 2 == 0 for options in variants.values()
    ):
        raise ZipSegError(f"{path}: needs 'variant name: [KEY, VALUE, ...]' lines")
    if unknown := set(only or ()) - set(variants):
        raise ZipSegError(f"{path}: no variant is called {sorted(unknown)}")
    return {name: variants[name] for name in only} if only else variants


def compare_variants(
    config_file: str,
    dataset: str,
    variants: Mapping[str, Sequence],
    output: Path,
    count: int,
    settings: Mapping[str, object],
) -> dict:
    """Evaluates every variant on the first ``count`` images; rows already in ``output`` are kept.

    Args:
        settings: recorded beside the rows (command, versions); rows of other settings of
            ``config_file``, ``dataset`` or ``count`` are refused.

    Raises:
        ZipSegError: ``output`` holds another comparison.
    """
    head = {"config": config_file, "dataset": dataset, "images": count}
    report = json.loads(output.read_text()) if output.is_file() else {**head, "rows": {}}
    if {key: report.get(key) for key in head} != head:
        raise ZipSegError(f"{output}: holds another comparison; choose another --output")
    report |= dict(settings)
    pending = {
        name: options
        for name, options in variants.items()
        if report["rows"].get(name, {}).get("options") != list(options)
    }
    for name, row in measure_variants(config_file, dataset, pending, count):
        report["rows"][name] = row
        write_json(output, report)
    return report


def measure_variants(
    config_file: str, dataset: str, variants: Mapping[str, Sequence], count: int
) -> Iterator[tuple[str, dict]]:
    """The name and row of every variant on the first ``count`` images, as each is done."""
    records = DatasetCatalog.get(dataset)[:count]
    models = Variants()
    for name, options in variants.items():
        cfg = load_config(config_file, [*options, "DATASETS.TEST", (dataset,)])
        mapper = ImageMapper(cfg.INPUT.FORMAT, cfg.INPUT.MAX_PIXELS)
        evaluator = InstanceEvaluator(dataset, ("coco", "class_agnostic"), None, distributed=False)
        evaluator.reset()
        model, found, begin = models.model(cfg), 0, time.perf_counter()
        for record in tqdm(records, desc=name, unit="image", leave=False):
            models.memo.image = record["file_name"]
            entry = mapper(record)
            (trace,) = model.trace([entry])
            found += len(trace.proposals.box)
            evaluator.process([entry], [{"instances": trace.instances}])
        results = evaluator.evaluate(img_ids=[record["image_id"] for record in records])
        row = {
            "options": list(options),
            "objects_per_image": found / len(records),
            "seconds_per_image": (time.perf_counter() - begin) / len(records),
            **{
                task: {metric: results[task].get(metric) for metric in METRICS}
                for task in ("segm", "bbox", "segm_class_agnostic", "bbox_class_agnostic")
                if task in results
            },
        }
        logger.info("%s: mask AP50 %.1f", name, row["segm"]["AP50"])
        yield name, row


def to_markdown(report: Mapping) -> str:
    """The rows as a table, percent."""
    lines = [
        f"{report['dataset']}, first {report['images']} images, `{report['config']}`",
        "",
        "| variant | mask AP | AP50 | box AP | AP50 | class-agnostic box AP50 | AR@100 | objects |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in report["rows"].items():
        segm, bbox, agnostic = row["segm"], row["bbox"], row["bbox_class_agnostic"]
        cells = (segm["AP"], segm["AP50"], bbox["AP"], bbox["AP50"], agnostic["AP50"])
        cells += (agnostic["AR@100"], row["objects_per_image"])
        lines.append(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(lines) + "\n"
