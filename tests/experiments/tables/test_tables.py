"""``zipseg tables`` over fake commands."""

import json
import os
import random
import signal
import time
from pathlib import Path
from unittest import mock

import pytest
import yaml
from tests.experiments.tables.test_rows import TABLES
from tests.processes import SERVER
from tests.self_training.faked import TINY, Among, fake_tools, starts

from zipseg.cli.main import door
from zipseg.experiments.tables import store
from zipseg.self_training import runner
from zipseg.self_training.programs import REPORT
from zipseg.utils.errors import REQUEUE

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
COMPARED = {
    "name": "zip-to-round1",
    "table": "more",
    "title": "round 1 less Zip",
    "measure": "comparison",
    "options": {"rows": ["zip", "round1"]},
}
PROBE = {
    "name": "probe-{source}",
    "table": "more",
    "title": "{source}",
    "matrix": {"source": ["lab"]},
    "measure": "boundaries",
    "options": {"source": "{source}"},
}
LOST = {
    "name": "lost",
    "table": "more",
    "title": "lost",
    "config": TINY,
    "measure": "attribution",
}
CEILINGS = {**LOST, "name": "ceilings", "measure": "ceilings"}
ROWS = (ZIP, ROUND1, ROUND2, SHARES, TUNED)


class Fixture:
    """A folder with a declaration and fake tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = fake_tools(folder / "tools")
        self.command = Among(self.tools, door("tables"))
        self.declare(*ROWS)

    def declare(self, *rows: dict) -> None:
        content = {"dataset": "zipworld_train", "tables": TABLES, "rows": list(rows)}
        (self.folder / "rows.yaml").write_text(yaml.safe_dump(content))

    def run(self, *more: str, work: str = "work") -> int:
        places = {"--rows": "rows.yaml", "--work": work, "--results": "results/training"}
        words = [word for k, v in places.items() for word in (k, str(self.folder / v))]
        return self.command.main([*words, *more])

    @property
    def results(self) -> Path:
        return self.folder / "results" / "training"

    def kept(self) -> set[str]:
        return {path.stem for path in self.results.glob("*.json")}


@pytest.fixture
def tables(tmp_path) -> Fixture:
    return Fixture(tmp_path)


def test_all_rows_once(tables, capsys):
    assert tables.run() == 0
    assert len(tables.kept()) == 11
    before = starts(tables.tools)
    # zip 2 (evaluate, label), rounds 3 each and a relabelling, 8 shares of 2 each
    assert len(before) == 2 + 3 + 1 + 3 + 8 * 2
    capsys.readouterr()
    assert tables.run() == 0
    assert starts(tables.tools) == before
    text = capsys.readouterr().out
    results = tables.folder / "results"
    assert (results / "training.md").read_text() + "\n" == text
    assert (
        "## Rounds\n\nRead this first.\n\n|  | labels | mask AP | mask AP less the first |" in text
    )
    assert text.count("| round 1 |") == 1
    assert "| mask AP by percent | 1 | 10 | rows |" in text
    assert "Not run yet" not in text
    assert (results / "training-shares.png").stat().st_size > 10_000
    row = json.loads((results / "training" / "round2-10-1.json").read_text())
    assert row["keys"] == {"seed": 1, "start": "round2", "percent": 10}
    command = row["commands"]["round2-10-1/train"]
    assert "MODEL.WEIGHTS OUT/round2/train/model_final.pth" in command
    assert "--percent 10 --split-seed 1" in command
    assert "DATASETS.TRAIN ('zipworld_train',)" in command
    assert row["labels"] == {"images": 1, "annotations": 2}
    content = json.loads((results / "training.json").read_text())
    assert [r["name"] for r in content["rows"]][:3] == ["zip", "round1", "round2"]


def test_a_row_may_run_on_another_device_and_is_the_same(tables):
    assert tables.run("--only", "round1", "--device", "cuda") == 0
    train, label, select = (
        next(line for line in starts(tables.tools) if line.startswith(word))
        for word in ("train", "label", "filter")
    )
    assert train.endswith("MODEL.DEVICE cuda")
    assert label.endswith("MODEL.DEVICE cuda")
    assert "MODEL.DEVICE" not in select
    row = json.loads((tables.results / "round1.json").read_text())
    assert row["machine"].endswith(", cuda")
    assert "MODEL.DEVICE" not in row["commands"]["round1/train"]
    before = starts(tables.tools)
    assert tables.run("--only", "round1") == 0
    assert starts(tables.tools) == before


def test_means_and_deviations(tables):
    tables.run("--table", "shares")
    values = []
    for seed in (0, 1):
        path = tables.folder / "results" / "training" / f"scratch-1-{seed}.json"
        values.append(json.loads(path.read_text())["metrics"]["segm"]["AP"])
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


def test_a_changed_row_is_refused_with_all_that_needs_it(tables, capsys, caplog):
    assert tables.run() == 0
    before = starts(tables.tools)
    kept = {path: path.read_bytes() for path in tables.results.glob("*.json")}
    tables.declare(ZIP, {**ROUND1, "opts": [*OPTS, "SOLVER.MAX_ITER", 9]}, ROUND2, SHARES, TUNED)
    capsys.readouterr()
    assert tables.run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    changed = {line.split()[-1] for line in lines if line.startswith("changed")}
    assert changed == {"round1", "round2", *(n for n in tables.kept() if "round2-" in n)}
    assert tables.run(work="anew") == 1
    assert "configured otherwise since: round1, round2." in capsys.readouterr().out
    where = "request.rows.round1.settings.SOLVER.MAX_ITER: was absent, is now 9"
    assert where in caplog.text
    assert "round1.json: is of another request" in caplog.text
    assert starts(tables.tools) == before
    assert {path: path.read_bytes() for path in kept} == kept
    for name in changed:
        (tables.results / f"{name}.json").unlink()
    assert tables.run(work="anew") == 0


def test_other_networks_of_the_world_are_another_request(tables, monkeypatch, caplog):
    assert tables.run("--only", "zip") == 0
    monkeypatch.setattr(store, "world_inputs", lambda: {"networks": "others", "scenes": "same"})
    assert tables.run("--only", "zip") == 1
    assert "request.inputs.networks: was" in caplog.text


def test_everything_that_can_be_measured(tables, capsys):
    tables.declare(ZIP, ROUND1, COMPARED, PROBE, LOST, CEILINGS)
    assert tables.run("--table", "more") == 0
    assert tables.kept() == {"zip-to-round1", "probe-lab", "lost", "ceilings"}
    evaluations = [line for line in starts(tables.tools) if "--eval-only" in line]
    assert len(evaluations) == 2  # of what is compared
    row = json.loads((tables.results / "zip-to-round1.json").read_text())
    difference = row["metrics"]["segm"]["AP"]["difference"]
    text = (tables.folder / "results" / "training.md").read_text()
    assert f"| round 1 less Zip | {difference:+.1f} (-1.0 to +1.0) |  | zip-to-round1 |" in text
    assert "| lab |  | 50.0 | probe-lab |" in text
    assert json.loads((tables.results / "lost.json").read_text())["metrics"]["all"]["objects"] == 7
    ceilings = json.loads((tables.results / "ceilings.json").read_text())
    assert ceilings["metrics"] == {"as it is": {"AP": 9.0}}


def test_a_damaged_row_is_named(tables, capsys):
    tables.results.mkdir(parents=True)
    (tables.results / "zip.json").write_text("{")
    assert tables.run("--only", "zip", "--list") == 0
    with pytest.raises(SystemExit) as end:
        tables.run("--only", "zip", "--render")
    assert end.value.code == 2
    assert "zip.json: damaged" in capsys.readouterr().err


def test_the_budget_interrupts_and_the_next_run_goes_on(tables):
    assert tables.run("--budget-minutes", "0") == 75
    assert tables.kept() == set()
    for attempt in range(50):  # longer each time: a busy machine starts nothing in two seconds
        code = tables.run("--budget-minutes", str(0.03 * 1.3**attempt))
        if code == 0:
            break
        assert code == 75
    assert code == 0
    assert len(tables.kept()) == 11


def run_in_a_group(folder: Path) -> None:
    """All rows in a process group of its own; the configs are those of other tests."""
    os.setsid()
    with mock.patch.object(runner, "check_configs"):
        os._exit(Fixture(folder).run())


def outcome(folder: Path) -> dict:
    """Row -> what was measured."""
    files = (folder / "results" / "training").glob("*.json")
    return {path.stem: json.loads(path.read_text())["metrics"] for path in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    with mock.patch.object(runner, "check_configs"):
        assert Fixture(folder).run() == 0
    return folder


def test_kills_at_random_points_leave_the_same_numbers(uninterrupted, tmp_path):
    """SIGKILL to the command, with what it runs or leaving it behind."""
    chance = random.Random(0)
    for kill in (os.killpg, os.kill, os.killpg):
        process = SERVER.Process(target=run_in_a_group, args=(tmp_path,))
        process.start()
        until = len(starts(tmp_path / "tools")) + chance.randint(2, 5)
        while len(starts(tmp_path / "tools")) < until:
            assert process.is_alive()
            time.sleep(0.01)
        kill(process.pid, signal.SIGKILL)
        process.join()
    with mock.patch.object(runner, "check_configs"):
        assert Fixture(tmp_path).run() == 0
    assert outcome(tmp_path) == outcome(uninterrupted)
    again = len(starts(tmp_path / "tools")) - len(starts(uninterrupted / "tools"))
    assert 0 <= again <= 3  # a command for each kill


def test_two_processes_share_the_rows(uninterrupted, tmp_path):
    pair = [SERVER.Process(target=run_in_a_group, args=(tmp_path,)) for _ in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join()
    assert {process.exitcode for process in pair} <= {0, REQUEUE}
    assert outcome(tmp_path) == outcome(uninterrupted)
    assert len(starts(tmp_path / "tools")) == len(starts(uninterrupted / "tools"))


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


def test_the_report_is_what_evaluations_write():
    from zipseg.evaluation.report import REPORT_NAME

    assert REPORT == REPORT_NAME
