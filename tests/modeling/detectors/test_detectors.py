"""The registered parts within whole detectors: off they are Detectron2's, on they do their work."""

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage
from tests.pseudo_labels import CONFIGS

from zipseg.engine.setup import load_config
from zipseg.engine.trainer import Trainer
from zipseg.modeling.detectors.checks import check_parts
from zipseg.utils.errors import ConfigError

CENTERNET2 = str(CONFIGS / "SelfTraining" / "zipworld_centernet2.yaml")
SMALL = ["MODEL.ROI_HEADS.NUM_CLASSES", "2", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "16"]
SMALL += ["DATASETS.TEST", "()", "SOLVER.IMS_PER_BATCH", "2"]
BAND = ["TRAINING.IGNORE_BAND.LOW", "0.1", "TRAINING.IGNORE_BAND.HIGH", "0.5"]
PARTS = {
    "drop loss": ["TRAINING.DROP_LOSS.ENABLED", "True"],
    "score weights": ["TRAINING.SCORE_WEIGHTS.ENABLED", "True"],
    "ignore band": BAND,
    "copy-paste": ["TRAINING.COPY_PASTE.PROBABILITY", "1.0"],
    "class-agnostic masks": ["MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK", "True"],
    "teacher": ["TRAINING.EMA.DECAY", "0.9"],
}
EVERYTHING = [option for part in PARTS.values() for option in part]


def losses_of(cfg, batch) -> dict[str, float]:
    torch.manual_seed(0)
    model = build_model(cfg).train()
    torch.manual_seed(1)
    with EventStorage():
        return {name: loss.item() for name, loss in model(batch).items()}


def test_with_all_parts_off_the_losses_are_detectron2s(tiny):
    cfg = tiny()
    batch = next(iter(Trainer.build_train_loader(cfg)))
    plain = cfg.clone()
    plain.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    plain.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    plain.MODEL.PROPOSAL_GENERATOR.NAME = "RPN"
    assert losses_of(cfg, batch) == losses_of(plain, batch)


def test_with_all_parts_off_centernet2_is_the_packages(tiny):
    pytest.importorskip("centernet")
    cfg = tiny(*SMALL, config=CENTERNET2)
    batch = next(iter(Trainer.build_train_loader(cfg)))
    plain = cfg.clone()
    plain.MODEL.ROI_HEADS.NAME = "CustomCascadeROIHeads"
    plain.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    plain.MODEL.PROPOSAL_GENERATOR.NAME = "CenterNet"
    assert losses_of(cfg, batch) == losses_of(plain, batch)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_trains_alone(part, tiny):
    trainer = Trainer(tiny(*PARTS[part], "SOLVER.MAX_ITER", "2"))
    trainer.train()


@pytest.mark.parametrize("kind", ["cascade", "centernet2"])
def test_cascades_train_with_everything(kind, tiny):
    if kind == "centernet2":
        pytest.importorskip("centernet")
        cfg = tiny(*SMALL, *EVERYTHING, "SOLVER.MAX_ITER", "2", config=CENTERNET2)
    else:
        heads = ["MODEL.ROI_HEADS.NAME", "NoisyCascadeROIHeads"]
        cfg = tiny(*heads, *EVERYTHING, "SOLVER.MAX_ITER", "2")
    trainer = Trainer(cfg)
    trainer.train()
    model = trainer.model.eval()
    (found,) = model([{"image": torch.zeros((3, 64, 64), dtype=torch.uint8)}])
    assert found["instances"].has("pred_masks")


def test_removed_proposals_have_no_gradient(tiny):
    """With every label far away nothing but the labels' own boxes can be learned."""
    cfg = tiny(*PARTS["drop loss"])
    heads = build_model(cfg).roi_heads
    target = Instances((64, 64), gt_boxes=Boxes(torch.tensor([[0.0, 0.0, 8.0, 8.0]])))
    target.gt_classes, target.gt_scores = torch.tensor([1]), torch.tensor([0.7])
    found = Instances((64, 64), proposal_boxes=Boxes(torch.tensor([[30.0, 30.0, 50.0, 50.0]])))
    found.objectness_logits = torch.zeros(1)
    with EventStorage():
        (sampled,) = heads.label_and_sample_proposals([found], [target])
    assert dict(zip(sampled.gt_classes.tolist(), sampled.loss_weights.tolist(), strict=True)) == {
        1: 1.0,
        2: 0.0,
    }


def unsure_targets() -> Instances:
    target = Instances((64, 64))
    target.gt_boxes = Boxes(torch.tensor([[4.0, 4.0, 24.0, 24.0], [36.0, 36.0, 60.0, 60.0]]))
    target.gt_classes, target.gt_scores = torch.tensor([0, 1]), torch.tensor([0.9, 0.3])
    target.gt_ignore = torch.tensor([False, True])
    return target


def test_ignored_labels_are_neither_objects_nor_background(tiny):
    model = build_model(tiny(*BAND))
    generator = model.proposal_generator
    features = [torch.zeros((1, 8, s, s)) for s in (8, 4, 2)]
    anchors = generator.anchor_generator(features)
    generator.batch_size_per_image = 10_000
    labels, _ = generator.label_and_sample_anchors(anchors, [unsure_targets()])
    overlap = pairwise_iou(unsure_targets().gt_boxes, Boxes.cat(anchors))
    unsure = (overlap[1] >= 0.3) & (overlap[0] < 0.3)
    assert unsure.any()
    assert (labels[0][unsure] == -1).all()
    assert (labels[0] == 1).any()

    found = Instances((64, 64))
    found.proposal_boxes = Boxes(
        torch.tensor([[35.0, 36.0, 60.0, 60.0], [5.0, 4.0, 24.0, 24.0], [30.0, 2.0, 50.0, 20.0]])
    )
    found.objectness_logits = torch.zeros(3)
    seen = {}
    heads = model.roi_heads.train()
    heads._forward_box = lambda features, proposals: seen.update(proposals=proposals) or {}
    heads._forward_mask = lambda features, proposals: {}
    with EventStorage():
        heads(None, {}, [found], [unsure_targets()])
    (proposals,) = seen["proposals"]
    boxes = proposals.proposal_boxes.tensor.tolist()
    assert [35.0, 36.0, 60.0, 60.0] not in boxes
    assert [36.0, 36.0, 60.0, 60.0] not in boxes
    assert {0, 2} == set(proposals.gt_classes.tolist())


def test_centernet_has_no_background_within_ignored_boxes(tiny):
    pytest.importorskip("centernet")
    generator = build_model(tiny(*SMALL, *BAND, config=CENTERNET2)).proposal_generator
    features = [torch.zeros((2, 32, s, s)) for s in (8, 4, 2)]
    grids = generator.compute_grids(features)
    shapes = torch.tensor([(8, 8), (4, 4), (2, 2)])
    certain = unsure_targets()[:1]
    certain.gt_ignore = torch.tensor([False])
    *_, heat = generator._get_ground_truth(grids, shapes, [unsure_targets(), certain])
    plain = unsure_targets()[:1]
    plain.remove("gt_ignore")
    *_, expected = generator._get_ground_truth(grids, shapes, [plain, plain])
    first, second = heat[:64, 0].view(8, 8), heat[64:128, 0].view(8, 8)
    inside = torch.zeros((8, 8), dtype=torch.bool)
    inside[5:7, 5:7] = True  # points 44 and 52 at stride 8; 36 itself lies on the border
    assert (first[inside] == 1).all()
    assert torch.equal(first[~inside], expected[:64, 0].view(8, 8)[~inside])
    assert torch.equal(second, expected[64:128, 0].view(8, 8))


NOT_SERVED = {
    "drop loss elsewhere": ([*PARTS["drop loss"], "MODEL.ROI_HEADS.NAME", "StandardROIHeads"]),
    "band elsewhere": ([*BAND, "MODEL.PROPOSAL_GENERATOR.NAME", "RPN"]),
    "mask weights elsewhere": (
        [*PARTS["score weights"], "MODEL.ROI_MASK_HEAD.NAME", "MaskRCNNConvUpsampleHead"]
    ),
    "copy-paste of polygons": ([*PARTS["copy-paste"], "INPUT.MASK_FORMAT", "polygon"]),
    "paste to nothing": ([*PARTS["copy-paste"], "TRAINING.COPY_PASTE.SCALE", "(0.0, 1.0)"]),
    "band upside down": (["TRAINING.IGNORE_BAND.LOW", "0.5", "TRAINING.IGNORE_BAND.HIGH", "0.2"]),
    "IoU of 2": ([*PARTS["drop loss"], "TRAINING.DROP_LOSS.IOU", "2.0"]),
}


@pytest.mark.parametrize("case", NOT_SERVED)
def test_parts_that_a_detector_does_not_serve_are_refused(case):
    cfg = load_config(str(CONFIGS / "SelfTraining" / "zipworld_mask_rcnn.yaml"), NOT_SERVED[case])
    with pytest.raises(ConfigError, match=r"^TRAINING\."):
        check_parts(cfg)


def test_losses_without_a_weighted_form_are_refused(tiny):
    with pytest.raises(ConfigError, match="BBOX_REG_LOSS_TYPE"):
        build_model(tiny(*PARTS["drop loss"], "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "ciou"))
