"""The benchmarks' own machinery: what they count, compare and report.

How long anything takes and how much memory it needs is for the benchmarks to say, not for a test.
"""

import itertools
import json
import sys
from types import SimpleNamespace

import pytest
import torch
from benchmarks import __main__ as benchmark
from benchmarks import boundary, formats, forward, presets, prompts, surgery, training
from benchmarks.forward import benchmark_picture, forward_benchmark
from benchmarks.surgery import plain_similarity
from benchmarks.vocabulary import vocabulary_benchmark
from detectron2.modeling import build_model

from zipseg.engine.setup import load_config

TINY = str(benchmark.ROOT / "configs" / "Test" / "zip_tiny_random.yaml")


@pytest.fixture
def here(monkeypatch):
    """Runs what has processes of its own in this one."""
    for module in (boundary, presets, surgery):
        monkeypatch.setattr(module, "in_its_own_process", lambda function, *given: function(*given))


def test_the_stages_are_timed_once_each(monkeypatch):
    """By a clock that goes on by a second whenever it is read: twice for each network and stage."""
    clock = itertools.count().__next__
    monkeypatch.setattr(forward, "time", SimpleNamespace(perf_counter=clock, process_time=int))
    model = build_model(
        load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["a", "b"]])
    ).eval()
    stages = model.stages
    report = forward_benchmark(model, benchmark_picture(), repeats=2)
    assert {"semantic CLIP", "segmenter encoder", "discover", "activate"} <= set(report["seconds"])
    timed = 2 * sum(report["seconds"].values())
    assert 2 * report["total_s"] == 2 * timed + 1
    networks = sum(report["seconds"].get(name, 0) for name in forward.NETWORKS)
    assert report["non_network_fraction"] == 1 - networks / report["total_s"]
    assert model.stages is stages


def test_configs_are_compared(here):
    (report,) = presets.presets_benchmark([TINY], "cpu").values()
    assert report["peak_gib"] > 0.1
    table = presets.to_markdown({"tiny": report})
    assert f"{report['total_cpu_s']:.2f} | {report['peak_gib']:.2f} |" in table.splitlines()[2]


def test_the_boundary_network_is_measured_whole_and_in_strips(here, monkeypatch):
    monkeypatch.setattr(boundary, "STRIP_PIXELS", 2**12)
    report = boundary.boundary_benchmark("RN50", "layer1", 128, 192)
    assert report["largest_difference"] < 1e-4
    assert report.keys() == {
        "largest_difference",
        "weights_gib",
        *(f"{way}_{what}" for way in ("whole", "strips") for what in ("gib", "s", "cpu_s")),
    }
    assert report["weights_gib"] <= report["strips_gib"]
    (ratio,) = benchmark.BENCHMARKS["boundary"][1].values()
    assert ratio({"strips_gib": 3.0, "whole_gib": 4.0}) == 0.75


def test_prompts_are_timed_few_and_many_at_once():
    report = prompts.prompts_benchmark("SegmentAnything", "zipworld", prompts=64)
    assert all(seconds > 0 for seconds in report.values())
    assert report["many_over_few"] == report["at_once_64_s"] / report["at_once_4_s"]


def test_number_formats_are_timed_side_by_side():
    report = formats.formats_benchmark("RN50", "layer1", 64, 64, repeats=1)
    ratio = report["float32_channels_last_s"] / report["float32_s"]
    assert report["float32_channels_last_over_float32"] == ratio
    assert report["bfloat16_channels_last_s"] > 0


def test_json_has_the_ratios(tmp_path, monkeypatch):
    results = {
        "discovery": {"resnet": {"speedup": 12.0}, "field": {"speedup": 11.0}},
        "surgery": {"speedup": 60.0, "memory_fraction": 0.01},
    }
    monkeypatch.setattr(benchmark, "discovery_benchmark", lambda: results["discovery"])
    monkeypatch.setattr(benchmark, "surgery_benchmark", lambda: results["surgery"])
    path = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["b", "--only", "discovery", "surgery", "--json", str(path)])
    benchmark.main()
    assert json.loads(path.read_text())["ratios"] == {
        "discovery_speedup": 11.0,
        "surgery_speedup": 60.0,
        "surgery_memory_fraction": 0.01,
    }


def test_the_plain_surgery_reference_is_centred_over_names():
    image, patch, text = torch.randn(4), torch.randn(5, 4), torch.randn(7, 4)
    assert plain_similarity(image, patch, text).sum(dim=1) == pytest.approx(0, abs=1e-4)


def test_both_forms_of_surgery_agree(here):
    report = benchmark.surgery_benchmark(names=400, tokens=200, channels=128)
    assert report["max_difference"] < 1e-5
    assert report["speedup"] > 0


def test_the_cost_of_names_is_measured_for_the_whole_pass():
    report = vocabulary_benchmark(load_config(TINY), benchmark_picture(60, 80), (2, 5), repeats=1)
    assert report.keys() == {"2", "5"}
    assert [row["present"] for row in report.values()] == [2, 3]  # MAX_NAMES
    assert all(0 < row["classification_s"] < row["forward_s"] for row in report.values())
    assert report["2"]["over_fewest"] == 1


def test_three_trainers_take_turns(monkeypatch):
    first = [9, 9, 9]  # when they begin; how long they take does not count
    steps = [2, 3, 4, 4, 10, 12]
    times = itertools.accumulate([*first, *(part for each in steps for part in (0, each))])
    monkeypatch.setattr(training, "time", SimpleNamespace(process_time=times.__next__))
    report = benchmark.training_benchmark(benchmark.DETECTOR, rounds=2, batch_size=1)
    assert report == {
        "plain_s": 3,
        "parts_off_s": 6.5,
        "parts_on_s": 8,
        "parts_off_over_plain": 2,  # of 3 / 2 and 10 / 4
        "parts_on_over_plain": 2.5,  # of 4 / 2 and 12 / 4
    }
