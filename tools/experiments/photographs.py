#!/usr/bin/env python
"""What a segmenter makes of a data set's photographs: with the truth's boxes, and by itself.

    tools/experiments/photographs.py --segmenter MobileSAM --type vit_t --weights mobile_sam.pt

Goes on where it was stopped. The table is printed, the numbers are in --output.
"""

import argparse
from pathlib import Path

from zipseg.utils.errors import run_or_explain


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="coco_2017_val", help="a registered data set")
    parser.add_argument("--segmenter", default="SegmentAnything")
    parser.add_argument("--type", default="vit_b")
    parser.add_argument("--weights", required=True, help="checkpoint file, URL or 'random'")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--points-per-side", type=int, default=32, help="of the grid that finds masks; 0: no grid"
    )
    parser.add_argument("--pred-iou-thresh", type=float, default=0.88)
    parser.add_argument("--stability-score-thresh", type=float, default=0.95)
    parser.add_argument("--output", type=Path, default=Path("output/photographs.json"))
    options = parser.parse_args(arguments)

    # Slow to import: --help and typing errors are answered before.
    from zipseg.experiments.boundaries.images import from_registered
    from zipseg.experiments.photographs import measure, to_markdown
    from zipseg.modeling.networks.segmenters import build_segmenter
    from zipseg.modeling.networks.weights import fingerprint

    with run_or_explain():
        photographs = from_registered(options.dataset)
        segmenter = build_segmenter(options.segmenter, options.type, options.weights, "--segmenter")
        facts = {
            "dataset": options.dataset,
            "segmenter": options.segmenter,
            "type": options.type,
            "weights": fingerprint(segmenter.model)[:8],
        }
        generator = {
            "points_per_side": options.points_per_side,
            "pred_iou_thresh": options.pred_iou_thresh,
            "stability_score_thresh": options.stability_score_thresh,
        }
        segmenter.to(options.device)
        done = measure(
            segmenter,
            photographs,
            options.output,
            facts,
            generator if options.points_per_side else None,
        )
        print(to_markdown(done["facts"], done["summary"]))


if __name__ == "__main__":
    main()
