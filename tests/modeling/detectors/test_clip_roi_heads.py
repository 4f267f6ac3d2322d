"""The box head of a CLIP's own layers: untrained, it names regions as the CLIP names pictures."""

import copy

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from detectron2.modeling import build_model
from detectron2.structures import Boxes
from hypothesis import given
from hypothesis import strategies as st
from tests.modeling.detectors.test_detectors import EVERYTHING, PARTS, SMALL
from tests.pseudo_labels import CONFIGS, tiny_config
from torch.nn import functional as F

from zipseg.engine.setup import load_config
from zipseg.engine.trainer import Trainer
from zipseg.modeling.detectors.clip_roi_heads import ClipBoxHead, begin_with_texts, enlarged
from zipseg.modeling.networks.clip_boundary import ClipBoundary
from zipseg.modeling.networks.clip_classifier import encode_image
from zipseg.modeling.networks.weights import load_clip
from zipseg.utils.errors import ConfigError
from zipseg.zipworld.scenes.dataset import register_zipworld
from zipseg.zipworld.scenes.splits import CATEGORY_NAMES

DETECTOR = str(CONFIGS / "SelfTraining" / "zipworld_mask_rcnn.yaml")


@pytest.fixture(scope="module")
def visual():
    return load_clip("zipworld-rn", "embedded", "KEY")[0].visual


def test_regions_are_embedded_as_clip_embeds_pictures(visual):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    head = ClipBoxHead(copy.deepcopy(visual), "res2", 16, 30.0, 4, 8).eval()
    with torch.no_grad():
        expected = F.normalize(encode_image(visual, images), dim=-1) * 30
        found = head(ClipBoundary(visual, "layer1")(images))
    size = expected.shape[1]
    assert found.shape == (2, head.output_shape.channels) == (2, size + 8)
    torch.testing.assert_close(found[:, :size], expected, rtol=1e-4, atol=1e-4)


def test_all_of_it_is_trained_but_the_statistics(visual):
    head = ClipBoxHead(copy.deepcopy(visual), "res3", 8, 30.0, 4, 8)
    assert all(p.requires_grad for p in head.parameters())
    assert any(isinstance(m, FrozenBatchNorm2d) for m in head.first.modules())


def test_a_side_that_the_strides_do_not_divide_is_refused(visual):
    with pytest.raises(ConfigError, match=r"POOLER_RESOLUTION.*14.*8"):
        ClipBoxHead(copy.deepcopy(visual), "res2", 14, 30.0, 4, 8)


@pytest.mark.parametrize("feature", ["res5", "p2", "none"])
def test_an_input_that_is_not_there_is_refused(feature):
    cfg = load_config(DETECTOR, ["TRAINING.CLIP_HEAD.IN_FEATURE", feature])
    with pytest.raises(ConfigError, match=r"CLIP_HEAD\.IN_FEATURE"):
        build_model(cfg)


def test_the_classifier_begins_with_the_names(zipworld_cfg):
    """The order of the names' logits is that of CLIP's similarities; the background has none."""
    model = build_model(zipworld_cfg).eval()
    predictor = model.roi_heads.box_predictor
    size = model.roi_heads.box_head.pool.c_proj.out_features
    assert not predictor.cls_score.weight[:, size:].any()
    assert not predictor.cls_score.weight[-1].any()
    clip, tokenizer = load_clip("zipworld-rn", "embedded", "KEY")
    with torch.no_grad():
        texts = clip.encode_text(tokenizer(list(CATEGORY_NAMES)), normalize=True)
        regions = torch.randn(5, size, generator=torch.Generator().manual_seed(0))
        features = torch.cat([regions, torch.rand(5, 128)], dim=1)
        logits = predictor(features)[0]
    torch.testing.assert_close(
        logits[:, :-1].softmax(1), (regions @ texts.T).softmax(1), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("part", ["drop loss", "score weights"])
def test_a_weighted_classifier_begins_so_too(part, zipworld_cfg):
    plain = build_model(zipworld_cfg).roi_heads.box_predictor.cls_score.weight
    zipworld_cfg.merge_from_list(PARTS[part])
    assert torch.equal(build_model(zipworld_cfg).roi_heads.box_predictor.cls_score.weight, plain)


def test_names_of_the_training_set_will_do(zipworld_cfg):
    tested = build_model(zipworld_cfg).roi_heads.box_predictor.cls_score.weight
    zipworld_cfg.DATASETS.TEST = ()
    assert torch.equal(build_model(zipworld_cfg).roi_heads.box_predictor.cls_score.weight, tested)


def test_unknown_names_begin_at_random():
    cfg = load_config(DETECTOR, ["DATASETS.TEST", "()", "MODEL.ROI_HEADS.NUM_CLASSES", "5"])
    weight = build_model(cfg).roi_heads.box_predictor.cls_score.weight
    assert weight.shape[0] == 6
    assert weight[-1].any()


def test_begin_with_texts_is_indifferent_to_what_all_texts_share():
    predictor = torch.nn.Module()
    predictor.cls_score = torch.nn.Linear(6, 4)
    texts = torch.eye(3, 4)
    begin_with_texts(predictor, texts)
    first = predictor.cls_score.weight.clone()
    begin_with_texts(predictor, texts + torch.tensor([1.0, -2.0, 3.0, 0.5]))
    torch.testing.assert_close(predictor.cls_score.weight, first)


@given(
    st.lists(st.floats(-50, 50), min_size=4, max_size=4),
    st.floats(0.5, 3),
)
def test_enlarged_boxes_keep_their_centres(corners, factor):
    x, y, w, h = corners
    boxes = Boxes(torch.tensor([[x, y, x + abs(w), y + abs(h)]]))
    found = enlarged(boxes, factor)
    torch.testing.assert_close(found.get_centers(), boxes.get_centers(), atol=1e-3, rtol=1e-4)
    for axis in (0, 1):
        old, new = (b.tensor[0, 2 + axis] - b.tensor[0, axis] for b in (boxes, found))
        torch.testing.assert_close(new, old * factor, atol=1e-3, rtol=1e-4)


def test_it_trains_with_everything(label_file, tmp_path):
    options = [*SMALL, *EVERYTHING, "SOLVER.MAX_ITER", "2"]
    trainer = Trainer(tiny_config(label_file, tmp_path, *options, config=DETECTOR))
    trainer.train()
    (found,) = trainer.model.eval()([{"image": torch.zeros((3, 64, 64), dtype=torch.uint8)}])
    assert found["instances"].has("pred_masks")


@pytest.fixture
def zipworld_cfg():
    register_zipworld()
    return load_config(DETECTOR, [])
