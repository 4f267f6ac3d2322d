"""Counted costs against closed forms, and the documentation against the command."""

import pytest
import torch
from benchmarks.costs import META, Cost, Phase, count, main
from tests.self_training.faked import ROOT
from torch import nn


def test_a_convolution_and_a_product():
    with META:
        convolution, linear = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(10, 7)
    convolution.requires_grad_(False)
    linear.requires_grad_(False)
    image = torch.empty(1, 3, 16, 20, device=META)
    assert count(lambda: convolution(image)) == 2 * 16 * 20 * 8 * 3 * 9
    assert count(lambda: linear(torch.empty(4, 10, device=META))) == 2 * 4 * 10 * 7


def test_gpu_hours():
    assert Phase("x", 3600, "", 1e12).gpu_hours(2) == pytest.approx(0.5)
    assert Cost("x", "", 1.0).flops == 1


def test_the_documented_tables_are_what_the_command_prints(capsys):
    main([])
    tables = capsys.readouterr().out.strip()
    assert tables in (ROOT / "docs" / "clusters.md").read_text()
