#!/usr/bin/env python
"""The paper's claims beside what was measured: results/claims.md.

    tools/experiments/claims.py

Reads configs/experiments/claims.yaml and the rows that `zipseg tables` has kept; what is not run
yet is named with the command that runs it.
"""

import argparse
from pathlib import Path

from zipseg.experiments.claims import write_claims
from zipseg.utils.errors import run_or_explain


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--claims", type=Path, default=Path("configs/experiments/claims.yaml"))
    parser.add_argument("--results", type=Path, default=Path("results"), help="kept rows")
    parser.add_argument("--output", type=Path, default=Path("results/claims.md"))
    options = parser.parse_args(arguments)
    with run_or_explain():
        print(write_claims(options.claims, options.results, options.output))


if __name__ == "__main__":
    main()
