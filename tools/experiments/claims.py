#!/usr/bin/env python
"""The paper's claims beside what was measured: results/claims.md.

    tools/experiments/claims.py

Reads configs/experiments/claims.yaml and the rows that `zipseg tables` has kept; what is not run
yet is named with the command that runs it.
"""

import argparse
import sys
from pathlib import Path

from zipseg.experiments.claims import write_claims
from zipseg.utils.errors import ZipSegError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--claims", type=Path, default=Path("configs/experiments/claims.yaml"))
    parser.add_argument("--results", type=Path, default=Path("results"), help="kept rows")
    parser.add_argument("--output", type=Path, default=Path("results/claims.md"))
    options = parser.parse_args(arguments)
    try:
        print(write_claims(options.claims, options.results, options.output))
    except ZipSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
