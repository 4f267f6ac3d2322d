"""What ZipWorld must not give away: where cushions of one name touch, to shape or colour."""

import json

import pytest
from tools.experiments.probe_boundaries import main

from zipseg.zipworld.scenes import register_zipworld


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = tmp_path_factory.mktemp("controls")
    output = root / "rows.json"
    arguments = "--dataset zipworld_mini --tuning-images 10 --reported-images 30 --cells 48"
    sources = "--sources none lab untrained.layer3 --methods watershed silhouette"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETECTRON2_DATASETS", str(root))
        main([*arguments.split(), *sources.split(), "--output", str(output)])
    register_zipworld()
    return {row["source"]: row["methods"] for row in json.loads(output.read_text())["rows"]}


@pytest.mark.parametrize("source", ["none", "lab", "untrained.layer3"])
@pytest.mark.parametrize("method", ["watershed", "silhouette"])
def test_true_regions_alone_leave_room(rows, source, method):
    """With true regions, the share of boxes found by shape alone (no features), by raw colour and
    by a network that has learnt nothing, at the settings that suit each best."""
    found = rows[source][method]["best_f1"]["reported"]
    assert 0.05 < found["recall"] < 0.58
