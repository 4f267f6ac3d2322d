"""What ZipWorld must not give away: where cushions of one name touch, to shape or colour."""

import json

import pytest
from tools.experiments.probe_boundaries import main

from zipseg.zipworld.scenes import register_zipworld


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    yield tmp_path_factory.mktemp("controls")
    register_zipworld()


@pytest.mark.parametrize("source", ["none", "lab", "untrained.layer3"])
@pytest.mark.parametrize("method", ["watershed", "silhouette"])
def test_true_regions_alone_leave_room(root, monkeypatch, source, method):
    """With true regions, the share of boxes, in percent, found by shape alone (no features), by raw
    colour and by a network that has learnt nothing, at the settings that suit each best."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root))
    images = "--dataset zipworld_mini --tuning-images 5 --reported-images 15 --cells 48"
    output = root / f"{source}-{method}.json"
    main([*images.split(), "--source", source, "--method", method, "--output", str(output)])
    found = json.loads(output.read_text())["best_f1"]
    assert 5 < found["recall"] < 58
