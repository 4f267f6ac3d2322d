"""tools/self_train.py over fake commands: steps once each, kills at random points, refusals."""

import json
import os
import random
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.processes import SERVER
from tests.self_training.faked import TINY, Among, fake_program, fake_tools, starts

from zipseg.cli.main import door

STEPS = (
    *("round0/evaluate", "round0/label"),
    *("round1/select", "round1/train", "round1/evaluate", "round1/label"),
    *("round2/merge", "round2/train", "round2/evaluate", "round2/label"),
    *("round3/merge", "round3/train", "round3/evaluate"),
)


def arguments(output: Path, *more: str, opts: tuple[str, ...] = ()) -> list[str]:
    configs = ["--config-file", TINY, "--zip-config", TINY, "--dataset", "seen", "--rounds", "3"]
    test = ["DATASETS.TEST", "('seen',)"]
    return [*configs, "--output", str(output), *more, *test, *opts]


def self_train(folder: Path, *more: str, opts: tuple[str, ...] = ()) -> int:
    tools = fake_tools(folder / "tools")
    return Among(tools, door("self-train")).main(arguments(folder / "out", *more, opts=opts))


def outcome(folder: Path) -> tuple[dict, str]:
    """Rounds and table; the fakes' labels carry the time, like real ones."""
    rounds = json.loads((folder / "out" / "rounds.json").read_text())
    return rounds, (folder / "out" / "rounds.md").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert self_train(folder) == 0
    return folder


def test_every_step_runs_once_and_the_rounds_are_recorded(uninterrupted):
    assert len(starts(uninterrupted / "tools")) == len(STEPS)
    rounds, table = outcome(uninterrupted)
    assert [row["round"] for row in rounds["rounds"]] == [0, 1, 2, 3]
    for row in rounds["rounds"]:
        name = f"out/round{row['round']}/evaluate/inference/seen/evaluation.json"
        found = json.loads((uninterrupted / name).read_text())["results"]
        assert row["metrics"] == {"seen": found}
        assert (row["labels"] is None) == (row["round"] == 0)
    assert [name for row in rounds["rounds"] for name in row["commands"]] == list(STEPS)
    assert "OUT/round2/merge/labels.json" in rounds["rounds"][2]["commands"]["round2/train"]
    assert "| 0 (training-free) |  |" in table
    assert table.count("\n") == 8


def test_again_nothing_runs(uninterrupted):
    before = starts(uninterrupted / "tools")
    assert self_train(uninterrupted) == 0
    assert starts(uninterrupted / "tools") == before


def run_in_a_group(folder: Path) -> None:
    os.setsid()
    os._exit(self_train(folder))


def wait_for(folder: Path, count: int, process) -> None:
    """Until so many more commands have started, or the process has ended."""
    before = len(starts(folder / "tools"))
    while len(starts(folder / "tools")) < before + count and process.is_alive():
        time.sleep(0.005)


@pytest.mark.parametrize("seed", range(2))
def test_kills_at_random_points_leave_the_same_rounds(seed, uninterrupted, tmp_path):
    """SIGKILL to the pipeline, with its running command or leaving it behind."""
    chance, kills = random.Random(seed), 0
    for _ in range(100):
        process = SERVER.Process(target=run_in_a_group, args=(tmp_path,))
        process.start()
        wait_for(tmp_path, chance.randint(1, 4), process)
        process.join(chance.uniform(0, 0.1))
        if process.exitcode is not None:
            break
        kills += 1
        try:
            (os.killpg if chance.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # not yet the leader of a group
            process.kill()
        process.join()
    assert process.exitcode == 0
    assert kills >= 3
    assert outcome(tmp_path) == outcome(uninterrupted)
    assert len(STEPS) <= len(starts(tmp_path / "tools")) <= len(STEPS) + kills


def test_a_command_left_running_is_waited_for(uninterrupted, tmp_path):
    process = SERVER.Process(target=run_in_a_group, args=(tmp_path,))
    process.start()
    wait_for(tmp_path, 4, process)  # the fourth is a training
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert self_train(tmp_path) == 0
    assert outcome(tmp_path) == outcome(uninterrupted)


def test_by_hand_from_the_dry_run(uninterrupted, tmp_path, capsys):
    assert self_train(tmp_path, "--dry-run") == 0
    assert not (tmp_path / "out").exists()
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == [f"# {name} (to do)" for name in STEPS]
    for line in lines[1::2]:
        name, *words = shlex.split(line)
        assert name == "zipseg"
        subprocess.run([*fake_program(tmp_path / "tools"), *words], check=True)
    by_hand, table = (
        (folder / "out/round3/evaluate/inference/seen/evaluation.json").read_bytes()
        for folder in (tmp_path, uninterrupted)
    )
    assert by_hand == table


def test_one_name_for_each_place_in_the_first_labels(tmp_path, capsys):
    assert self_train(tmp_path, "--first-overlap", "0.5", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "--min-score 0.0 --max-overlap 0.5 --any-category" in out
    assert out.count("zipseg filter") == 1


def test_step_by_step(uninterrupted, tmp_path, capsys):
    for name in STEPS:
        assert self_train(tmp_path, "--step", name) == 0
    assert outcome(tmp_path) == outcome(uninterrupted)
    with pytest.raises(SystemExit) as end:
        self_train(tmp_path, "--step", "round9/train")
    assert end.value.code == 2
    assert "--step: no 'round9/train'; there are round0/evaluate," in capsys.readouterr().err


def test_a_step_before_its_time(tmp_path, capsys):
    with pytest.raises(SystemExit):
        self_train(tmp_path, "--step", "round1/train")
    assert "round1/train: needs round1/select first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "opts", "message"),
    [
        ((), ("SOLVER.BASE_LR", "0.5"), "settings.SOLVER.BASE_LR: was absent, is now 0.5"),
        (("--first-score", "0.4"), (), 'command[4]: was "0.0", is now "0.4"'),
        (("--zip-opts", "SEED 8"), (), "settings.SEED: was 7, is now 8"),
        (("--new-score", "0.9"), (), "round2/merge: was run otherwise"),
        (("--initialise", "config"), (), "round2/train: was run otherwise"),
    ],
)
def test_a_changed_request_is_refused(uninterrupted, capsys, change, opts, message):
    before = starts(uninterrupted / "tools")
    with pytest.raises(SystemExit) as end:
        self_train(uninterrupted, *change, opts=opts)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Undo the change to go on" in error
    assert starts(uninterrupted / "tools") == before


def test_how_it_runs_may_change(uninterrupted):
    more = ("--num-gpus", "4", "--num-ranks", "2", "--launch-train", "srun -N 1")
    assert self_train(uninterrupted, *more) == 0


def test_changed_weights_are_refused(tmp_path, capsys):
    for name in STEPS[:4]:
        self_train(tmp_path, "--step", name)
    (tmp_path / "out/round1/train/model_final.pth").write_text("{}")
    with pytest.raises(SystemExit):
        self_train(tmp_path)
    assert "model_final.pth: has changed since round1/train made it" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "expected"), [(75, 75), (74, 74), (3, 3), (2, 2), (137, 75)])
def test_exit_codes_are_those_of_the_command(tmp_path, monkeypatch, capsys, code, expected):
    monkeypatch.setenv("FAKE_FAIL", f"label:{code}")
    with pytest.raises(SystemExit) as end:
        self_train(tmp_path)
    assert end.value.code == expected
    error = capsys.readouterr().err
    assert "round0/label" in error
    assert ("start the same command again" in error) == (expected == 75)
    monkeypatch.delenv("FAKE_FAIL")
    assert self_train(tmp_path) == 0


def test_sigterm_asks_for_requeueing(tmp_path):
    process = SERVER.Process(target=run_in_a_group, args=(tmp_path,))
    process.start()
    wait_for(tmp_path, 4, process)  # the fourth is a training
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    assert process.exitcode in (1, 75)  # forked servers have no main to catch SystemExit
    assert self_train(tmp_path) == 0


def test_mistakes_are_explained(tmp_path, capsys):
    with pytest.raises(SystemExit):
        self_train(tmp_path, "--zip-opts", "NO.SUCH 1")
    assert "error: NO.SUCH: no such key" in capsys.readouterr().err
