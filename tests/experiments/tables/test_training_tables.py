"""tools/experiments/training_tables.py over fake commands."""

import json
from pathlib import Path

import pytest
import yaml
from tests.experiments.tables.test_rows import TABLES
from tests.self_training.faked import ROOT, TINY, Among, fake_tools, starts
from tools.experiments import training_tables

from zipseg.experiments.tables.rows import read_rows

OPTS = ["DATASETS.TEST", "('seen',)"]
ZIP = {"name": "zip", "table": "rounds", "title": "Zip", "config": TINY, "opts": OPTS}
ROUND1 = {**ZIP, "name": "round1", "title": "round 1", "labels": {"of": "zip"}}
ROUND2 = {
    **ROUND1,
    "name": "round2",
    "title": "round 2",
    "labels": {"of": "round1", "merge": {"new_score": 0.4}},
    "start": "round1",
}
SHARES = {
    "name": "{start}-{percent}-{seed}",
    "table": "shares",
    "title": "{start}",
    "config": TINY,
    "opts": [*OPTS, "SEED", "{seed}"],
    "matrix": {"seed": [0, 1], "start": ["scratch"], "percent": [1, 10]},
    "labels": {"dataset": "zipworld_train", "percent": "{percent}", "seed": "{seed}"},
}
TUNED = {**SHARES, "matrix": {**SHARES["matrix"], "start": ["round2"]}, "start": "{start}"}
ROWS = (ZIP, ROUND1, ROUND2, SHARES, TUNED)


class Fixture:
    """A folder with a declaration and fake tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = fake_tools(folder / "tools")
        self.command = Among(self.tools, training_tables.main)
        self.declare(*ROWS)

    def declare(self, *rows: dict) -> None:
        content = {"dataset": "zipworld_train", "tables": TABLES, "rows": list(rows)}
        (self.folder / "rows.yaml").write_text(yaml.safe_dump(content))

    def run(self, *more: str, work: str = "work") -> int:
        places = {"--rows": "rows.yaml", "--work": work, "--results": "results/training"}
        words = [word for k, v in places.items() for word in (k, str(self.folder / v))]
        return self.command.main([*words, *more])

    def kept(self) -> set[str]:
        return {path.stem for path in (self.folder / "results/training").glob("*.json")}


@pytest.fixture
def tables(tmp_path) -> Fixture:
    return Fixture(tmp_path)


def test_all_rows_once(tables, capsys):
    assert tables.run() == 0
    assert len(tables.kept()) == 11
    before = starts(tables.tools)
    # zip 2 (evaluate, label), rounds 3 each and a relabelling, 8 shares of 3 each
    assert len(before) == 2 + 3 + 1 + 3 + 8 * 3
    capsys.readouterr()
    assert tables.run() == 0
    assert starts(tables.tools) == before
    text = capsys.readouterr().out
    results = tables.folder / "results"
    assert (results / "training.md").read_text() + "\n" == text
    assert "## Rounds\n\nRead this first.\n\n| | labels |" in text
    assert text.count("| round 1 |") == 1
    assert "| mask AP by percent | 1 | 10 | rows |" in text
    assert "Not run yet" not in text
    assert (results / "training.png").stat().st_size > 10_000
    row = json.loads((results / "training" / "round2-10-1.json").read_text())
    assert row["keys"] == {"seed": 1, "start": "round2", "percent": 10}
    command = row["commands"]["round2-10-1/train"]
    assert "MODEL.WEIGHTS OUT/round2/train/model_final.pth" in command
    assert "DATASETS.TRAIN ('OUT/round2-10-1/labels/10perc_seed1_zipworld_train.json',)" in command
    content = json.loads((results / "training.json").read_text())
    assert [r["name"] for r in content["rows"]][:3] == ["zip", "round1", "round2"]


def test_means_and_deviations(tables):
    tables.run("--table", "shares")
    values = []
    for seed in (0, 1):
        path = tables.folder / "results" / "training" / f"scratch-1-{seed}.json"
        values.append(json.loads(path.read_text())["metrics"]["seen"]["segm"]["AP"])
    mean, deviation = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
    text = (tables.folder / "results" / "training.md").read_text()
    assert f"| scratch | {mean:.1f} ± {deviation:.1f} |" in text
    assert "Not run yet: zip, round1, round2." in text


def test_only_runs_what_the_rows_need(tables, capsys):
    assert tables.run("--only", "round1") == 0
    assert tables.kept() == {"round1"}
    capsys.readouterr()
    assert tables.run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("done")] == ["round1"]
    with pytest.raises(SystemExit):
        tables.run("--only", "round9")
    assert "--only: no row 'round9'" in capsys.readouterr().err


def test_kept_rows_outlast_the_machine(tables):
    """On another machine only the checkpoints that further rows need are made again."""
    assert tables.run("--table", "rounds") == 0
    before = len(starts(tables.tools))
    assert tables.run("--table", "rounds", work="elsewhere") == 0
    assert len(starts(tables.tools)) == before
    assert tables.run("--only", "round2-1-0", work="elsewhere") == 0
    evaluations = [line for line in starts(tables.tools)[before:] if "--eval-only" in line]
    assert len(evaluations) == 1


def test_a_changed_row_is_out_of_date_with_all_that_needs_it(tables, capsys):
    assert tables.run() == 0
    changed = {**ROUND1, "opts": [*OPTS, "SOLVER.MAX_ITER", 9]}
    tables.declare(ZIP, changed, ROUND2, SHARES, TUNED)
    capsys.readouterr()
    assert tables.run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    stale = [line.split()[-1] for line in lines if line.startswith("out of date")]
    assert sorted(stale) == sorted(
        ["round1", "round2", *(n for n in tables.kept() if "round2-" in n)]
    )
    assert tables.run("--render") == 0
    assert "configured otherwise since: round1, round2." in capsys.readouterr().out
    assert tables.run(work="anew") == 0
    capsys.readouterr()
    assert tables.run("--list") == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"done"}


def test_the_budget_interrupts_and_the_next_run_goes_on(tables):
    assert tables.run("--budget-minutes", "0") == 75
    assert tables.kept() == set()
    for _ in range(50):
        code = tables.run("--budget-minutes", "0.03")
        if code == 0:
            break
        assert code == 75
    assert code == 0
    assert len(tables.kept()) == 11


def test_a_failing_row_does_not_stop_the_others(tables, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_FAIL", "merge:2")
    assert tables.run() == 1
    assert tables.kept() == {
        "zip",
        "round1",
        *(f"scratch-{p}-{s}" for p in (1, 10) for s in (0, 1)),
    }
    monkeypatch.delenv("FAKE_FAIL")
    assert tables.run() == 0
    assert len(tables.kept()) == 11


def test_the_projects_own_rows():
    found = read_rows(ROOT / "configs" / "ZipWorld" / "training_rows.yaml")
    names = list(found.rows)
    assert names[:4] == ["zip", "round1", "round2", "round3"]
    shares = [row for row in found.rows.values() if row.table == "fractions"]
    shares = [row for row in shares if not row.name.startswith("scratch-longer")]
    assert {(r.keys["percent"], r.keys["seed"], r.start) for r in shares} == {
        (percent, seed, start)
        for percent in (1, 2, 5, 10)
        for seed in (0, 1, 2)
        for start in ("", "round1")
    }
    for row in found.rows.values():
        config = ROOT / row.config
        if not config.is_file():
            pytest.skip(f"{row.config} is not there yet")
