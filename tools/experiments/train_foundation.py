"""Train the embedded foundation models on ZipWorld's pre-training scenes.

Run it again after an interruption and it continues. For the shipped weights:

    python tools/experiments/train_foundation.py --part resnet --output output/foundation/resnet
    python tools/experiments/train_foundation.py --part resnet --output output/foundation/resnet \\
        --export

and likewise for ``vit`` and ``sam``. ``--part scenes`` renders all scenes beforehand; otherwise
each training renders what it meets.
"""

import argparse
import logging
import sys
from pathlib import Path

import zipseg
from zipseg.utils.errors import ZipSegError

# The words of pretraining.PLANS and precision.PRECISIONS, which take half a minute to import.
PARTS = ("vit", "resnet", "sam")
PRECISIONS = ("float32", "float32-channels-last", "bfloat16")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", required=True, choices=["scenes", *PARTS])
    parser.add_argument("--output", type=Path, help="folder of checkpoint and curves")
    parser.add_argument("--scenes-root", type=Path, default="output/foundation/scenes")
    parser.add_argument("--scenes", type=int, default=12_000, help="number of training scenes")
    parser.add_argument(
        "--steps", type=int, help="length of the schedule; default: the shipped one"
    )
    parser.add_argument("--measured", type=int, default=250, help="number of held-out scenes")
    parser.add_argument(
        "--batch", type=int, help="scenes or pictures a step; default: the shipped choice"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: the fastest here")
    parser.add_argument("--checkpoint-every", type=int, default=100, help="steps")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop for now after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--further", action="store_true", help="start from the shipped weights of the part"
    )
    parser.add_argument("--threads", type=int, default=1, help="or, for scenes, processes")
    parser.add_argument(
        "--export",
        type=Path,
        nargs="?",
        const=Path(zipseg.__file__).parent / "zipworld" / "networks",
        help="write weights and card of the checkpoint here (default: into the package)",
    )
    options = parser.parse_args(arguments)
    if options.part != "scenes" and options.output is None:
        parser.error("--output is needed")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)

    import torch

    from zipseg.zipworld.pretraining.pretraining import Run, planned, prerender, pretrain, ship

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    run = Run(
        options.part,
        options.output,
        options.scenes_root,
        options.scenes,
        options.measured,
        options.seed,
        options.batch,
        options.further,
        options.device,
    )
    try:
        if options.part == "scenes":
            prerender(options.scenes_root, options.scenes, options.threads)
        elif options.export:
            print(ship(run, options.export))
        else:
            schedule = planned(
                options.part,
                options.steps,
                options.further,
                minutes=options.minutes,
                checkpoint_every=options.checkpoint_every,
                precision=options.precision or "",
            )
            ended = pretrain(run, schedule)
            print("done" if ended else "stopped for now; run again to continue")
    except ZipSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
