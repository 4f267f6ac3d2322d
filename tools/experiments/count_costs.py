#!/usr/bin/env python
"""Counts what each stage costs: FLOPs an image, and GPU-hours for COCO; takes seconds, no GPU.

tools/experiments/count_costs.py > costs.md
"""

import argparse

from zipseg.experiments.benchmarks.costs import detector_costs, label_costs, stages, to_markdown


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = {"nargs": 2, "type": int, "metavar": ("HEIGHT", "WIDTH")}
    parser.add_argument("--image", **size, default=[480, 640], help="for Zip, pixels")
    parser.add_argument("--resized", **size, default=[800, 1088], help="for the detector, pixels")
    parser.add_argument("--boxes", type=int, default=20, help="objects that Zip finds in an image")
    parser.add_argument(
        "--teraflops", type=float, default=10.0, help="that a GPU reaches, not its maximum"
    )
    args = parser.parse_args(arguments)
    label, detector = label_costs(*args.image, args.boxes), detector_costs(*args.resized)
    totals = [sum(cost.flops for cost in costs) for costs in (label, detector)]
    print(to_markdown(label, detector, stages(*totals), args.teraflops))


if __name__ == "__main__":
    main()
