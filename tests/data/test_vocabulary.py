"""The model's names are the one vocabulary of all that is written, drawn and evaluated."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.engine import DefaultPredictor
from detectron2.modeling import build_model

from zipseg.data.names import NamesError
from zipseg.data.vocabulary import use_names
from zipseg.engine.checkpoint import Checkpointer
from zipseg.engine.inference import load_model
from zipseg.engine.main import check_names
from zipseg.engine.predictor import Predictor, predict_files
from zipseg.engine.setup import load_config
from zipseg.labeling.errors import LabelingError
from zipseg.labeling.job import LabelJob
from zipseg.utils.errors import ConfigError

ROOT = Path(__file__).parents[2]
ZIP = str(ROOT / "configs" / "Test" / "zip_tiny_random.yaml")
DETECTOR = str(ROOT / "tests" / "tiny_mask_rcnn.yaml")
COCO = ["DATASETS.TEST", ("coco_2017_val",)]


def detector(*options):
    return load_config(DETECTOR, ["MODEL.ROI_HEADS.NUM_CLASSES", 2, "DATASETS.TEST", (), *options])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A detector that was trained for cat and dog."""
    folder = tmp_path_factory.mktemp("detector")
    model = build_model(detector("MODEL.WEIGHTS", ""))
    Checkpointer(model, str(folder), classes=("cat", "dog")).save("model")
    return str(folder / "model.pth")


@pytest.fixture
def photo(tmp_path, picture):
    path = tmp_path / "photos" / "a.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), picture)
    return path


def test_names_of_config_and_data_set_may_not_differ():
    cfg = load_config(ZIP, [*COCO, "MODEL.ZIP.CLASS_NAMES", ["a", "b", "c"]])
    with pytest.raises(
        NamesError,
        match=r"CLASS_NAMES: are 3 names and the data set 'coco_2017_val' .* has 80; they differ "
        r"from name 1 on \('a', 'person'\)",
    ):
        build_model(cfg)


def test_detectron2s_predictor_has_the_models_names(picture):
    with pytest.raises(NamesError, match="has 80; they differ"):
        DefaultPredictor(load_config(ZIP, [*COCO, "MODEL.ZIP.CLASS_NAMES", ["a", "b", "c"]]))
    cfg = load_config(ZIP, COCO)
    use_names(cfg, ["a", "b", "c"])
    predictor = DefaultPredictor(cfg)
    assert predictor.metadata.thing_classes == list(predictor.model.names) == ["a", "b", "c"]
    assert len(predictor(np.ascontiguousarray(picture[:, :, ::-1]))["instances"])


def test_a_detector_is_not_used_with_its_names_swapped(weights):
    cfg = detector("MODEL.WEIGHTS", weights)
    assert Predictor(cfg, ["cat", "dog"]).names == ("cat", "dog")
    with pytest.raises(ConfigError, match=r"was trained for 2 classes \(cat, dog\), not for 2 "):
        Predictor(cfg, ["dog", "cat"])
    with pytest.raises(ConfigError, match=r"was trained for 2 classes .* not for 3"):
        Predictor(cfg, ["cat", "dog", "owl"])


def test_a_detectors_names_come_from_its_checkpoint(weights, photo, tmp_path):
    predictor = Predictor(detector("MODEL.WEIGHTS", weights))
    assert predictor.model.names == predictor.names == ("cat", "dog")
    predict_files(predictor, [photo], tmp_path / "out")
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [each["name"] for each in content["categories"]] == ["cat", "dog"]


def test_nameless_weights_need_names(weights, tmp_path):
    torch.save({"model": torch.load(weights, weights_only=True)["model"]}, tmp_path / "bare.pth")
    cfg = detector("MODEL.WEIGHTS", str(tmp_path / "bare.pth"))
    assert load_model(cfg).names is None
    with pytest.raises(ConfigError, match=r"MODEL\.WEIGHTS: does not tell the names"):
        Predictor(cfg)
    with pytest.raises(ConfigError, match=r"knows 2 classes, but 3 names were given"):
        Predictor(cfg, ["cat", "dog", "owl"])


@pytest.mark.parametrize("names", ["a,b,c", "b,a"])
def test_labels_have_the_models_names(photo, tmp_path, names):
    """MODEL.ZIP.CLASS_NAMES in the config, other --names on the command line."""
    job = LabelJob(
        config_file=ZIP,
        output=str(tmp_path / "labels"),
        images=(str(photo.parent),),
        names=names,
        opts=("MODEL.ZIP.CLASS_NAMES", "['a', 'b']"),
    )
    with pytest.raises(NamesError, match=r"MODEL\.ZIP\.CLASS_NAMES: are 2 names .* they differ"):
        job(quiet=True)


def test_an_agnostic_detector_labels_no_categories(weights, photo, tmp_path):
    """Its one class would be written as the first of the names."""
    cfg = detector("TRAINING.CLASS_AGNOSTIC", True, "MODEL.ROI_HEADS.NUM_CLASSES", 1)
    bare = tmp_path / "agnostic.pth"
    torch.save({"model": build_model(cfg).state_dict()}, bare)
    job = LabelJob(
        config_file=DETECTOR,
        output=str(tmp_path / "labels"),
        images=(str(photo.parent),),
        names="cat,dog",
        opts=("TRAINING.CLASS_AGNOSTIC", "True", "MODEL.ROI_HEADS.NUM_CLASSES", "1",
              "MODEL.WEIGHTS", str(bare)),
    )  # fmt: skip
    with pytest.raises(LabelingError, match=r"classes are 1 \(object\), not 2 \(cat, dog\)"):
        job(quiet=True)


def test_data_sets_with_as_many_other_names_are_not_evaluated():
    MetadataCatalog.get("zipseg_two_others").set(thing_classes=["dog", "cat"])
    cfg = detector("DATASETS.TEST", ("zipseg_two_others",))
    with pytest.raises(ConfigError, match=r"'zipseg_two_others' has 2 categories .* which differ"):
        check_names(cfg, ("cat", "dog"))
