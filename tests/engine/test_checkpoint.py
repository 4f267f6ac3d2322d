"""Checkpoints adapt to other classes, and what does not fit otherwise is refused."""

import pickle

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from tests.pseudo_labels import write_label_file

from zipseg.engine.checkpoint import Checkpointer
from zipseg.engine.predictor import Predictor
from zipseg.engine.trainer import Trainer
from zipseg.utils.errors import ConfigError


@pytest.fixture
def trained(tiny, tmp_path):
    """A checkpoint for a square and a disc."""
    cfg = tiny("SOLVER.MAX_ITER", "1")
    trainer = Trainer(cfg)
    trainer.train()
    return tmp_path / "out" / "model_final.pth"


def start(cfg, weights):
    cfg.MODEL.WEIGHTS = str(weights)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    return trainer


def weights_of(path):
    return torch.load(path, weights_only=True)["model"]


def changed(path, edit):
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)
    return path


def test_other_vocabularies_keep_all_but_the_predictors(trained, tiny, tmp_path, caplog):
    categories = [{"id": 3, "name": "square"}, {"id": 8, "name": "disc"}, {"id": 9, "name": "cup"}]
    labels = write_label_file(tmp_path / "more", 2, categories=categories)
    cfg = tiny("MODEL.ROI_HEADS.NUM_CLASSES", "3", "DATASETS.TEST", f"('{labels}',)")
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST
    model = start(cfg, trained).model
    old = weights_of(trained)
    kept = {k for k, v in model.state_dict().items() if k in old and torch.equal(v, old[k])}
    fresh = set(model.state_dict()) - kept
    assert "roi_heads.box_predictor.cls_score.weight" in fresh
    assert all("box_predictor" in name or "mask_head.predictor" in name for name in fresh)
    assert "roi_heads.box_predictor.cls_score.weight" in caplog.text
    assert "2 classes (square, disc)" in caplog.text


def test_class_agnostic_checkpoints_adapt(tiny, tmp_path):
    one = ["TRAINING.CLASS_AGNOSTIC", "True", "MODEL.ROI_HEADS.NUM_CLASSES", "1"]
    one += ["EVALUATION.PROTOCOLS", "('class_agnostic',)", "SOLVER.MAX_ITER", "1"]
    Trainer(tiny(*one)).train()
    whole = ["MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK", "False"]
    whole += ["MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", "False", "SOLVER.MAX_ITER", "1"]
    start(tiny(*whole), tmp_path / "out" / "model_final.pth").train()


def drop(name):
    return lambda content: content["model"].pop(name)


MISFITS = {
    "a layer missing": (drop("roi_heads.mask_head.mask_fcn1.weight"), "missing there"),
    "an unknown layer": (
        lambda c: c["model"].update(extra=torch.zeros(2)),
        r"extra \(unknown here\)",
    ),
    "another width": (
        lambda c: c["model"].update({"backbone.fpn_lateral2.weight": torch.zeros(3, 4, 1, 1)}),
        r"\(3, 4, 1, 1\) there, \(8, 4, 1, 1\) here",
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_misfits_are_refused(misfit, trained, tiny):
    edit, reason = MISFITS[misfit]
    with pytest.raises(ConfigError, match=rf"^MODEL.WEIGHTS: .*{reason}"):
        start(tiny(), changed(trained, edit))


@pytest.mark.parametrize("content", [None, b"", b"hello", b"\x80\x04cos\nsystem\n."])
@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_what_is_no_checkpoint_is_refused(content, suffix, tiny, tmp_path):
    path = tmp_path / f"model{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^MODEL.WEIGHTS: .*model{suffix} cannot be loaded"):
        start(tiny(), path)


def test_evaluation_wants_the_names_of_the_training(trained, tiny):
    model = build_model(tiny())
    Checkpointer(model, classes=("square", "disc")).load(str(trained))
    with pytest.raises(ConfigError, match=r"was trained for 2 classes \(square, disc\)"):
        Checkpointer(model, classes=("disc", "square")).load(str(trained))


def test_predictions_with_other_names_than_the_weights_are_refused(tiny, trained):
    cfg = tiny("MODEL.WEIGHTS", str(trained))
    assert Predictor(cfg, ("square", "disc")).names == ("square", "disc")
    with pytest.raises(ConfigError, match=r"was trained for 2 classes \(square, disc\)"):
        Predictor(cfg, ("disc", "square"))


def test_a_pickled_backbone_is_read_without_running_anything(tiny, tmp_path):
    cfg = tiny()
    backbone = build_model(cfg).backbone.bottom_up
    arrays = {name: np.full(v.shape, 0.5, "f4") for name, v in backbone.state_dict().items()}
    path = tmp_path / "backbone.pkl"
    path.write_bytes(
        pickle.dumps({"model": arrays, "__author__": "x", "matching_heuristics": True})
    )
    model = start(cfg, path).model
    assert (model.backbone.bottom_up.stem.conv1.weight == 0.5).all()
    path.write_bytes(pickle.dumps({"model": {"nothing": np.zeros(3)}, "__author__": "x",
                                   "matching_heuristics": True}))  # fmt: skip
    with pytest.raises(ConfigError, match="holds nothing of the model"):
        start(cfg, path)
    path.write_bytes(pickle.dumps({"model": Checkpointer}))
    with pytest.raises(ConfigError, match="which is no array"):
        start(cfg, path)
