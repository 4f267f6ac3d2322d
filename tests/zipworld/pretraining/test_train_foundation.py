"""The command line with a tiny budget: runs, is killed, goes on and exports."""

import json
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.processes import SERVER
from tools.experiments.train_foundation import PARTS, PRECISIONS, main, parse

from zipseg.modeling.networks import clip_text
from zipseg.zipworld import networks
from zipseg.zipworld.networks.loading import read_weights
from zipseg.zipworld.networks.packing import TOKEN_IDS, unpack
from zipseg.zipworld.pretraining.precision import PRECISIONS as KNOWN_PRECISIONS
from zipseg.zipworld.pretraining.pretraining import PLANS


@pytest.fixture(autouse=True)
def restore_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_words_are_those_of_the_plans():
    assert set(PARTS) == set(PLANS)
    assert set(PRECISIONS) == set(KNOWN_PRECISIONS)
    options = parse(["--part", "vit", "--output", "o", "--export"])
    assert options.export == Path(networks.__file__).parent


def arguments(part: str, root: Path, *more: str) -> list[str]:
    tiny = "--scenes 8 --measured 3 --batch 2 --checkpoint-every 1 --steps 1000"
    folders = ["--output", str(root / part), "--scenes-root", str(root / "scenes")]
    return ["--part", part, *folders, *tiny.split(), *more]


def kill_after_first_checkpoint(words: list[str], checkpoint: Path) -> None:
    process = SERVER.Process(target=main, args=(words,))
    process.start()
    while not checkpoint.exists() and process.is_alive():
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("part", ["resnet", "sam"])
def test_tiny_budget_is_killed_goes_on_and_exports(part, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("zipseg.zipworld.pretraining.scenes._CHUNK", 8)
    monkeypatch.setattr(clip_text, "DEFAULT_TEMPLATES", ("a photo of a {}.",))
    checkpoint = tmp_path / part / "checkpoint.pt"
    kill_after_first_checkpoint(arguments(part, tmp_path), checkpoint)
    killed_at = torch.load(checkpoint, weights_only=True)["step"]

    assert main(arguments(part, tmp_path, "--minutes", "0")) == 0  # one more step
    assert torch.load(checkpoint, weights_only=True)["step"] == killed_at + 1
    assert "run again" in capsys.readouterr().out

    assert main(arguments(part, tmp_path, "--export", str(tmp_path / "shipped"))) == 0
    weights = Path(capsys.readouterr().out.strip())
    packed = load_file(weights)
    trained = torch.load(checkpoint, weights_only=True)["average"]
    shipped = unpack(packed)
    assert shipped.keys() == trained.keys()
    for name, tensor in trained.items():
        torch.testing.assert_close(shipped[name], tensor, rtol=1e-3, atol=1e-4)
    assert (TOKEN_IDS in packed) == (part != "sam")
    assert weights.name in json.loads((tmp_path / "shipped/checksums.json").read_text())
    card = weights.with_suffix(".md").read_text()
    assert f"{killed_at + 1} steps" in card
    assert f"--part {part} --output {tmp_path / part} --scenes 8 --steps 1000`" in card
    assert "8 scenes of `zipworld_pretrain` (seeds 11000000 to 11000007)" in card
    assert ("box_iou" if part == "sam" else "map_seen") in card


def test_export_without_a_checkpoint_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("zipseg.zipworld.pretraining.scenes._CHUNK", 2)
    assert main(arguments("sam", tmp_path, "--export", str(tmp_path))) == 1
    assert "train first" in capsys.readouterr().err


def test_further_training_starts_from_the_shipped_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("zipseg.zipworld.pretraining.scenes._CHUNK", 8)
    monkeypatch.setattr(clip_text, "DEFAULT_TEMPLATES", ("a photo of a {}.",))
    further = ("--further", "--minutes", "0")
    assert main(arguments("sam", tmp_path, *further)) == 0
    trained = torch.load(tmp_path / "sam/checkpoint.pt", weights_only=True)["model"]
    shipped = unpack(read_weights("zipworld-sam"))
    name = "mask_decoder.iou_token.weight"
    torch.testing.assert_close(trained[name], shipped[name], atol=1e-3, rtol=0)
    assert main(arguments("sam", tmp_path, *further, "--export", str(tmp_path / "out"))) == 0
    before = next(
        line
        for line in (tmp_path / "out/zipworld-sam.md").read_text().splitlines()
        if line.startswith("- **Before:** ")
    )
    assert "minutes of one CPU core" in before
    assert "--part sam" in before
