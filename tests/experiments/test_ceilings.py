"""Ceilings: stages replaced by the truth."""

import json

import pytest
import torch
from tools.experiments import lost

from zipseg.experiments.ceilings import TrueObjects, true_activation, true_proposals

CONFIG = "configs/Test/zip_tiny_random.yaml"
CPU = torch.device("cpu")


def two_objects() -> TrueObjects:
    mask = torch.zeros(2, 20, 30, dtype=torch.bool)
    mask[0, 2:9, 4:15] = True
    mask[1, 10:20, 20:30] = True
    return TrueObjects(torch.tensor([3, 7]), torch.tensor([1, 0]), mask)


def test_true_regions_are_the_cells_that_objects_cover():
    activation = true_activation(two_objects(), (10, 15), CPU)
    assert activation.active.sum(dim=(1, 2)).tolist() == [25, 23]
    assert activation.active[0, 5:, 10:].all()
    assert activation.similarity[1, 1, 2] == 1
    assert activation.similarity[1, 4, 3] == 0.5


def test_true_proposals_have_tight_boxes_and_deep_points_at_any_size():
    proposals = true_proposals(two_objects(), (40, 60), CPU)
    assert proposals.category.tolist() == [1, 0]
    torch.testing.assert_close(
        proposals.box, torch.tensor([[8.0, 4, 30, 18], [40, 20, 60, 40]]), atol=1.0, rtol=0
    )
    x, y = proposals.point[1].tolist()
    assert (x, y) == pytest.approx((50, 30), abs=1.5)


def test_an_image_without_objects_has_none():
    nothing = TrueObjects(
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, 8, 8, dtype=torch.bool),
    )
    assert len(true_activation(nothing, (4, 4), CPU)) == 0
    assert len(true_proposals(nothing, (8, 8), CPU)) == 0


def test_the_command_climbs_to_the_truth_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "datasets"))
    output = tmp_path / "ceilings"
    options = ["--ceilings", "--config-file", CONFIG, "--output", str(output), "--limit", "5"]
    lost.main([*options, "DATASETS.TEST", "('zipworld_mini',)"])
    report = json.loads((output / "ceilings.json").read_text())
    assert report["images"] == 5
    assert [row["given"] for row in report["rows"]] == [
        "as it is", "true categories", "and true regions", "and true boxes", "and true masks",
    ]  # fmt: skip
    assert report["rows"][-1]["AP"] == pytest.approx(100)
    assert report["rows"][-1]["AR@100"] == pytest.approx(100)
    assert report["rows"][0]["AP"] < 20
    printed = capsys.readouterr().out
    assert (output / "ceilings.md").read_text() in printed
    assert "Most is to be won at the" in printed


def test_a_detector_has_no_ceilings(tmp_path, capsys):
    options = ["--ceilings", "--config-file", CONFIG, "--output", str(tmp_path)]
    with pytest.raises(SystemExit):
        lost.main([*options, "MODEL.META_ARCHITECTURE", "SamAlone"])
    assert "MODEL.META_ARCHITECTURE: 'SamAlone'" in capsys.readouterr().err
