"""Zip as a Detectron2 model: the contract, determinism and errors."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model

from zipseg.data.names import NamesError
from zipseg.engine.setup import load_config
from zipseg.modeling.build import build_stages
from zipseg.modeling.networks.preprocess import to_rgb
from zipseg.modeling.stages.activation import Activate, ComparePatches
from zipseg.modeling.stages.classification import ScoreCategories, SelectPresent
from zipseg.modeling.stages.clustering import Cluster
from zipseg.modeling.stages.discovery import Clusters
from zipseg.modeling.stages.fragments import SelectFragments
from zipseg.modeling.stages.regrouping import Regroup
from zipseg.modeling.stages.scoring import ToInstances
from zipseg.utils.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = str(CONFIGS / "Test" / "zip_tiny_random.yaml")


def config(*options):
    names = ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["red star", "犬", "a (b) {c}"]]
    return load_config(TINY, [*names, *options])


@pytest.fixture(scope="module")
def model():
    return build_model(config()).eval()


def entry(picture, **more):
    return {"image": torch.as_tensor(picture.transpose(2, 0, 1).copy()), **more}


def test_output_is_detectron2s_at_the_asked_size(model, picture):
    inputs = [entry(picture, height=90, width=33), entry(picture[:31, :47])]
    outputs = model(inputs)
    for output, size in zip(outputs, [(90, 33), (31, 47)], strict=True):
        instances = output["instances"]
        assert instances.image_size == size
        count = len(instances)
        assert count
        assert instances.pred_masks.shape == (count, *size)
        assert instances.pred_masks.dtype == torch.bool
        assert instances.pred_boxes.tensor.shape == (count, 4)
        assert ((instances.scores >= 0) & (instances.scores <= 1)).all()
        assert (instances.scores.diff() <= 0).all()
        assert set(instances.pred_classes.tolist()) <= {0, 1, 2}
        assert not instances.scores.requires_grad


def test_the_same_input_gives_the_same_bytes(model, picture):
    again = build_model(config()).eval()
    one, two = (m([entry(picture)])[0]["instances"] for m in (model, again))
    assert torch.equal(one.scores, two.scores)
    assert torch.equal(one.pred_masks, two.pred_masks)
    assert torch.equal(one.pred_boxes.tensor, two.pred_boxes.tensor)


def test_networks_run_once_an_image(model, picture):
    calls = []
    handles = [
        module.register_forward_hook(lambda m, *_: calls.append(type(m).__name__))
        for module in (model.semantic, model.boundary, model.segmenter.model.image_encoder)
    ]
    model([entry(picture)])
    for handle in handles:
        handle.remove()
    assert sorted(calls) == ["ClipBoundary", "ClipDense", "ConvEncoder"]


def test_channel_order_follows_the_config(model, picture):
    bgr = build_model(config("INPUT.FORMAT", "BGR")).eval()
    flipped = np.ascontiguousarray(picture[:, :, ::-1])
    one, two = model([entry(picture)])[0], bgr([entry(flipped)])[0]
    assert torch.equal(one["instances"].scores, two["instances"].scores)


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (500, 3)])
def test_odd_sizes(model, size):
    image = torch.randint(0, 255, (3, *size), generator=torch.Generator().manual_seed(0))
    assert model([{"image": image.to(torch.uint8)}])[0]["instances"].image_size == size


def test_autocast_reduces_the_networks_and_not_the_stages(picture):
    model = build_model(config("MODEL.ZIP.AUTOCAST", True)).eval()
    (trace,) = model.trace([entry(picture)])
    stages = (trace.present.score, trace.activation.similarity, trace.features, trace.masks.iou)
    assert {tensor.dtype for tensor in stages} == {torch.float32}
    tokens = model._tokens([entry(picture)["image"]])
    (expected,) = model._classify([entry(picture)["image"]], tokens)
    assert torch.equal(trace.present.score, expected.score)


def test_no_images_no_output(model):
    assert model([]) == []


def test_training_mode_says_that_zip_is_training_free(model, picture):
    model.train()
    try:
        with pytest.raises(RuntimeError, match=r"training-free.*zipseg train"):
            model([entry(picture)])
    finally:
        model.eval()


@pytest.mark.parametrize(
    "options",
    [
        ("MODEL.ZIP.AUTOCAST", True),
        ("MODEL.ZIP.CLASSIFICATION.INPUT_SIZE", 64, "MODEL.ZIP.CLASSIFICATION.SCORE", "sigmoid"),
        ("MODEL.ZIP.CLASSIFICATION.WINDOWS", [1, 0.75, 0.5]),
        (
            "MODEL.ZIP.ACTIVATION.REDUNDANCY",
            "mean_category",
            "MODEL.ZIP.ACTIVATION.NORM",
            "channels",
        ),
        ("MODEL.ZIP.SEMANTIC.PATH", "naclip", "MODEL.ZIP.BOUNDARY.STRIP_PIXELS", 4096),
        ("MODEL.ZIP.CLUSTERING.CENTRES", "semantic"),
        ("MODEL.ZIP.DISCOVERY.NAME", "Watershed"),
        (
            "MODEL.ZIP.DISCOVERY.NAME",
            "Silhouette+Points",
            "MODEL.ZIP.DISCOVERY.LEVELS",
            [0.6],
            "MODEL.ZIP.SEGMENTER.ROUNDS",
            2,
            "MODEL.ZIP.SEGMENTER.SAME_BOX",
            0.9,
            "MODEL.ZIP.RATING.INSIDE",
            1.0,
            "MODEL.ZIP.RATING.RIM",
            1.0,
            "MODEL.ZIP.RATING.AGREEMENT",
            0.5,
            "MODEL.ZIP.SCORING.NMS_IOU",
            "mask",
        ),
        ("MODEL.ZIP.SEGMENTER.USE_POINTS", True, "MODEL.ZIP.BOUNDARY.LAYER", "layer2"),
        (
            "MODEL.ZIP.SELECTION.BOUNDARY_RULE",
            "inscribed_radius",
            "MODEL.ZIP.REGROUPING.DILATION",
            1,
        ),
    ],
)
def test_every_alternative_runs(picture, options):
    instances = build_model(config(*options)).eval()([entry(picture)])[0]["instances"]
    assert instances.pred_masks.shape[1:] == picture.shape[:2]


def test_names_come_from_the_test_data_sets_metadata():
    MetadataCatalog.get("zipseg_names_for_test").set(thing_classes=["x", "y"])
    cfg = load_config(TINY, ["DATASETS.TEST", ("zipseg_names_for_test",)])
    assert build_model(cfg).names == ("x", "y")


def test_underscores_are_spoken_as_spaces():
    cfgs = [
        load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", [name]])
        for name in ("traffic_light", "traffic light")
    ]
    written, spoken = (build_model(cfg) for cfg in cfgs)
    assert written.names == ("traffic_light",)
    assert torch.equal(written.text, spoken.text)


def test_long_names_are_cut_with_a_warning(caplog):
    cfg = load_config(
        TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["cat", "a " * 90 + "cat"]]
    )
    build_model(cfg)
    assert "1 names are longer than CLIP's context" in caplog.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat", "cat"], "MODEL.ZIP.CLASS_NAMES: named more than once: cat"),
        (["cat", " "], "MODEL.ZIP.CLASS_NAMES: name 2 is empty"),
        ([], "MODEL.ZIP.CLASS_NAMES: no names to look for"),
    ],
)
def test_unusable_names(names, message):
    with pytest.raises(NamesError, match=message):
        build_model(load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", names]))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("SEMANTIC.ARCH", "ViT-X", r"SEMANTIC\.ARCH: 'ViT-X' is not an architecture"),
        ("SEMANTIC.ARCH", "zipworld-rn", r"SEMANTIC\.ARCH: dense tokens need a plain ViT"),
        ("BOUNDARY.ARCH", "zipworld-vit", r"BOUNDARY\.LAYER: 'layer3' is no layer of .*block4"),
        ("SEMANTIC.WEIGHTS", "/no/file.pt", r"SEMANTIC\.WEIGHTS: '/no/file.pt' is neither"),
        ("SEMANTIC.WEIGHTS", "", r"SEMANTIC\.WEIGHTS: is empty"),
        ("SEGMENTER.NAME", "SAM9", r"SEGMENTER\.NAME: 'SAM9' is not one of: .*MobileSAM"),
        ("SEMANTIC.PATH", "best", r"SEMANTIC\.PATH: 'best' is not one of: .*naclip"),
        ("SEGMENTER.TYPE", "vit_x", r"SEGMENTER\.TYPE: 'vit_x' is not one of: .*vit_h"),
        (
            "SEGMENTER.WEIGHTS",
            "sam.pth",
            r"SEGMENTER\.WEIGHTS: 'sam.pth' is neither an existing file",
        ),
        ("CLUSTERING.CENTRES", "best", r"CLUSTERING\.CENTRES: 'best' is not one of: grid"),
        ("DISCOVERY.NAME", "best", r"DISCOVERY\.NAME: 'best' is not one of: Clusters, Poi"),
        ("DISCOVERY.NAME", "Points+x", r"DISCOVERY\.NAME: 'x' is not one of: Clusters, Poi"),
        ("RATING.RIM", -1.0, r"RATING\.RIM: -1.0 is less than 0"),
        ("SEGMENTER.ROUNDS", 0, r"SEGMENTER\.ROUNDS: 0 is less than 1"),
        ("SEGMENTER.SAME_BOX", 0.0, r"SEGMENTER\.SAME_BOX: 0\.0 is not an IoU"),
        ("CLASSIFICATION.SCORE", "best", r"CLASSIFICATION\.SCORE: 'best' is not one of: softmax"),
        (
            "CLASSIFICATION.WINDOWS",
            [0.5, 1.5],
            r"CLASSIFICATION\.WINDOWS: \[0.5, 1.5\] are not shares of the image",
        ),
        ("ACTIVATION.NORM", "best", r"ACTIVATION\.NORM: 'best' is not one of"),
        ("ACTIVATION.FINE", 2, r"ACTIVATION\.FINE: 2: Clusters has the features' cells"),
        ("ACTIVATION.FINE", 0, r"ACTIVATION\.FINE: 0 is less than 1"),
        ("SCORING.CATEGORY_SCORE", "best", r"SCORING\.CATEGORY_SCORE: 'best' is not one of: image"),
        ("SELECTION.BOUNDARY_RULE", "best", r"BOUNDARY_RULE: 'best' is not one of"),
        ("CLUSTERING.K", 0, r"CLUSTERING\.K: 0 is less than 1"),
        ("SEGMENTER.PROMPT_BATCH", 0, r"SEGMENTER\.PROMPT_BATCH: 0 is less than 1"),
        ("BOUNDARY.INPUT_SIZE", 0, r"BOUNDARY\.INPUT_SIZE: 0 is less than 32"),
    ],
)
def test_unusable_keys_are_named(key, value, message):
    with pytest.raises(ConfigError, match=message):
        build_model(config(f"MODEL.ZIP.{key}", value))


def test_other_channel_formats_are_refused():
    with pytest.raises(ConfigError, match=r"INPUT\.FORMAT: 'L' is not one of: BGR, RGB"):
        build_model(config("INPUT.FORMAT", "L"))


def test_without_a_gpu_the_cpu_is_used(caplog, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_config(TINY, ["MODEL.DEVICE", "cuda"]).MODEL.DEVICE == "cpu"
    assert "MODEL.DEVICE is cuda but there is no GPU" in caplog.text


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/zip_*.yaml")), ids=lambda p: p.stem)
def test_every_config_parses(path):
    assert load_config(str(path)).MODEL.META_ARCHITECTURE == "Zip"


def test_the_faithful_config_has_the_demos_constants():
    """One by one, whatever the defaults and what was tuned are."""
    cfg = load_config(str(CONFIGS / "ZipWorld" / "zip_embedded_faithful.yaml"))
    model = SimpleNamespace(logit_scale=torch.zeros(()))
    stages = build_stages(cfg, model)
    assert stages.score_categories == ScoreCategories(scale=1.0, bias=None, score="softmax")
    assert stages.compare_patches == ComparePatches(redundancy="empty_text", norm="tokens")
    assert stages.activate == Activate(thresh=0.7, min_similarity=0, exclusive=False, fine=1)
    assert stages.discover == Clusters(
        min_area=100,
        cluster=Cluster(k=20, centres="grid", max_iterations=100, rtol=1e-5),
        select=SelectFragments(
            activation_share=0.3, boundary_rule="box_area", boundary_score=3, most_common=20
        ),
        regroup=Regroup(dilation=0),
    )
    assert stages.to_instances.category_score == "image"
    own = cfg.MODEL.ZIP.CLASSIFICATION
    assert (own.NETWORK, own.INPUT_SIZE, list(own.WINDOWS)) == ("semantic", 0, [1])
    boundary = cfg.MODEL.ZIP.BOUNDARY
    assert (boundary.LAYER, boundary.INPUT_SIZE) == ("layer3", 2048)
    assert not cfg.MODEL.ZIP.TEXT.TEMPLATES  # the 85


def test_every_stage_is_built_from_its_keys():
    """A key that differs from the default arrives in the stage: none is forgotten or misspelt."""
    cfg = config()
    sections = ("CLASSIFICATION", "ACTIVATION", "DISCOVERY", "CLUSTERING", "SELECTION", "SCORING")
    for section in (*sections, "REGROUPING", "WATERSHED", "SILHOUETTE"):
        for key, value in cfg.MODEL.ZIP[section].items():
            if isinstance(value, bool | int | float):
                cfg.MODEL.ZIP[section][key] = not value if isinstance(value, bool) else value + 1
    cfg.MODEL.ZIP.ACTIVATION.FINE = 3
    model = SimpleNamespace(logit_scale=torch.zeros(()))
    for name in ("Clusters", "Watershed", "Silhouette"):
        cfg.MODEL.ZIP.ACTIVATION.FINE = 1 if name == "Clusters" else 3
        cfg.MODEL.ZIP.DISCOVERY.NAME = name
        stages = build_stages(cfg, model)
        assert stages.select_present == SelectPresent(1.1, 1.0, 4)
        assert stages.to_instances == ToInstances("image", "box", 1.7, True, 1.0, 100)
        assert stages.activate == Activate(1.7, 1.0, True, cfg.MODEL.ZIP.ACTIVATION.FINE)
        assert stages.discover.min_area == 5
        if name == "Clusters":
            assert stages.discover.cluster == Cluster(9, "grid", 11, 1e-5 + 1)
            assert stages.discover.select == SelectFragments(1.3, "box_area", 4.0, 3.0, 1)
            assert stages.discover.regroup.dilation == 1
        else:
            assert (stages.discover.quantile, stages.discover.smoothing) == (1.75, 2.0)


def test_unknown_keys_and_files_are_named():
    with pytest.raises(ConfigError, match=r"--config-file: 'no\.yaml' does not exist"):
        load_config("no.yaml")
    with pytest.raises(ConfigError, match=r"MODEL\.ZIP\.NONE"):
        load_config(TINY, ["MODEL.ZIP.NONE", "1"])


def test_configs_run_no_code(tmp_path):
    path = tmp_path / "trap.yaml"
    path.write_text(f"OUTPUT_DIR: !!python/object/apply:os.mkdir ['{tmp_path}/sprung']\n")
    with pytest.raises(ConfigError, match=r"trap\.yaml"):
        load_config(str(path))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("network", ["semantic", "boundary"])
def test_a_pass_of_its_own_classifies_the_image(network, picture):
    cfg = config(
        "MODEL.ZIP.CLASSIFICATION.NETWORK", network, "MODEL.ZIP.CLASSIFICATION.INPUT_SIZE", 64
    )
    model = build_model(cfg).eval()
    assert model.classifier.size == 64
    (trace,) = model.trace([entry(picture)])
    embedding = model.classifier([to_rgb(entry(picture)["image"], "RGB")])[0]
    scores = model.stages.score_categories(
        embedding, model.classifier.text, model.classifier.empty_text
    )
    assert torch.equal(trace.present.score, scores[0, trace.present.category])


def test_masked_crops_may_score_the_categories(picture):
    by_image = build_model(config()).eval()
    by_crop = build_model(config("MODEL.ZIP.SCORING.CATEGORY_SCORE", "crop")).eval()
    (expected,), (trace,) = (m.trace([entry(picture)]) for m in (by_image, by_crop))
    assert torch.equal(trace.masks.mask, expected.masks.mask)
    embedding = by_crop.crops(entry(picture)["image"], trace.instances.pred_masks)
    scores = by_crop.stages.score_categories(embedding, by_crop.text, by_crop.empty_text)
    each = torch.arange(len(embedding))
    ious = trace.instances.scores**2 / scores[each, trace.instances.pred_classes]
    assert torch.isclose(ious[:, None], trace.masks.iou, rtol=1e-3).any(1).all()
