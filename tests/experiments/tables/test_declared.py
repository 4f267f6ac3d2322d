"""The rows that the project declares."""

import subprocess
import sys

import pytest

from zipseg.experiments.tables.rows import read_rows
from zipseg.experiments.tables.steps import needed_steps
from zipseg.self_training.programs import Programs, check_configs
from zipseg.utils.config_files import config_folder

DECLARED = config_folder() / "experiments"


@pytest.mark.parametrize(("file", "first"), [("zipworld", "sam-alone"), ("training", "zip")])
def test_the_projects_own_rows(tmp_path, file, first):
    """All declared, all configs there, and every key known."""
    found = read_rows(DECLARED / f"{file}.yaml")
    assert next(iter(found.rows)) == first
    assert {row.table for row in found.rows.values()} == set(found.tables)
    programs = Programs(tmp_path)
    check_configs(step for name in found.rows for step in needed_steps(found, programs, name))


def test_shares_of_labels_begin_both_ways():
    found = read_rows(DECLARED / "training.yaml").rows.values()
    shares = [row for row in found if row.table == "fractions"]
    shares = [row for row in shares if not row.name.startswith("scratch-longer")]
    assert {(r.keys["percent"], r.keys["seed"], r.start) for r in shares} == {
        (percent, seed, start)
        for percent in (1, 2, 5, 10, 20, 50, 100)
        for seed in (0, 1, 2)
        for start in ("", "round1")
    }


def test_a_dry_run_prints_every_command_without_pytorch(tmp_path):
    code = (
        "import sys; from zipseg.cli.main import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'detectron2', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    words = ["tables", "--dry-run", "--work", str(tmp_path / "w"), "--results", str(tmp_path / "r")]
    words += ["--rows", str(DECLARED / "training.yaml")]
    run = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "# round3 (to do)" in run.stdout
    assert run.stdout.count("\nzipseg train --config-file") > 30
    assert not list(tmp_path.iterdir())
