#!/usr/bin/env python
"""Which stage of Zip loses which objects: numbers, a plot and pictures.

    tools/experiments/loss_analysis.py --config-file configs/ZipWorld/zip_embedded.yaml \\
        --output output/losses
"""

import argparse
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from detectron2.utils.logger import setup_logger

from zipseg.data.images import read_image
from zipseg.engine.loader import build_image_loader
from zipseg.engine.setup import load_config
from zipseg.evaluation.columns import GroundTruth
from zipseg.experiments.attribution.causes import find_losses, largest_causes
from zipseg.experiments.attribution.recording import record_stages
from zipseg.experiments.attribution.report import write_loss_report
from zipseg.experiments.attribution.stage_records import load_records
from zipseg.utils.errors import run_or_explain
from zipseg.utils.files import load_json
from zipseg.zipworld.scenes import register_zipworld


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a config of Zip's")
    parser.add_argument("--output", type=Path, required=True, help="folder for records and report")
    parser.add_argument("--images", type=int, help="only the first so many; default: all")
    parser.add_argument(
        "--reuse", action="store_true", help="analyse the records that are there, run nothing"
    )
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE pairs for the config")
    options = parser.parse_args(arguments)
    setup_logger(name="zipseg")
    with run_or_explain():
        register_zipworld()
        cfg = load_config(options.config_file, options.opts)
        dataset, records = cfg.DATASETS.TEST[0], options.output / "records"
        paths = {entry["image_id"]: entry["file_name"] for entry in DatasetCatalog.get(dataset)}
        if not options.reuse:
            model = build_model(cfg).eval()
            record_stages(
                model,
                build_image_loader(cfg, dataset),
                records,
                options.images,
            )
        annotations = MetadataCatalog.get(dataset).json_file
        truth = GroundTruth.from_coco(load_json(annotations), annotations)
        fates = find_losses(truth, load_records(records))
        summary = write_loss_report(
            options.output, fates, truth, records, lambda image: read_image(paths[image], "RGB")
        )
        print(f"{len(fates)} objects, {summary['all']['found']:.1f} % found; lost most at:")
        for cause in largest_causes(summary):
            print(f"  {cause}: {summary['all'][cause]:.1f} %")


if __name__ == "__main__":
    main()
