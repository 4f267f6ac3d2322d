"""The shipped ZipWorld configs from pictures to metrics."""

import json

import pytest
from PIL import Image

from zipseg.utils.config_files import get_config_file
from zipseg.zipworld import demo
from zipseg.zipworld.scenes import register_zipworld, splits

CONFIGS = {
    "Zip": "ZipWorld/zip_embedded.yaml",
    "SAM alone": "ZipWorld/sam_alone_embedded.yaml",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo")
    scenes = splits.SPLITS["zipworld_mini"][:4]
    configs = {name: get_config_file(file) for name, file in CONFIGS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(splits.SPLITS, "zipworld_mini", scenes)
        metrics = demo.run_demo(configs, output, output / "datasets", panels=2)
    register_zipworld()
    return metrics, output


def test_zip_finds_what_its_weights_can_find(ran):
    metrics, _ = ran
    assert metrics["Zip"]["segm"]["AP50"] > 40
    assert metrics["Zip"]["segm"]["AP50"] > metrics["SAM alone"]["segm"]["AP50"]


def test_metrics_are_valid_json_and_panels_are_drawn(ran):
    metrics, output = ran

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    kept = json.loads((output / "metrics.json").read_text(), parse_constant=refuse)
    assert kept == metrics
    assert len(list((output / "panels").glob("*.png"))) == 2
    with Image.open(output / "beside.png") as picture:
        assert picture.height > picture.width  # four scenes below each other, three columns
