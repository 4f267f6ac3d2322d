"""From a config to the parts of Zip: the networks, the text and the configured stages."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from torch import Tensor, nn

from ..data.names import NamesError, check_names
from ..utils.errors import ConfigError
from .networks.clip_boundary import ClipBoundary
from .networks.clip_classifier import ClipNaming
from .networks.clip_crops import ClipCrops
from .networks.clip_dense import ClipDense
from .networks.clip_text import TextEncoder
from .networks.segmenters import Segmenter, build_segmenter
from .networks.weights import load_clip
from .stages.activation import activate, name_similarity
from .stages.classification import choose_present, score_names
from .stages.discovery import DiscoverySettings, discover
from .stages.scoring import NAME_SCORES, to_instances

logger = logging.getLogger(__name__)

# The least that some keys of MODEL.ZIP may be; networks need some pixels.
_LEAST = {
    "SEMANTIC.INPUT_SIZE": 32,
    "BOUNDARY.INPUT_SIZE": 32,
    "BOUNDARY.MAX_SIZE": 32,
    "SEGMENTER.PROMPT_BATCH": 1,
    "NAMING.MAX_NAMES": 1,
    "DISCOVERY.FINE": 1,
    "CLUSTERING.K": 1,
    "CLUSTERING.MAX_ITERATIONS": 1,
}


class Stages(NamedTuple):
    """The stages with their constants filled in from the config."""

    score_names: Callable
    choose_present: Callable
    name_similarity: Callable
    activate: Callable
    discover: Callable
    to_instances: Callable


def zip_arguments(cfg: CfgNode) -> dict[str, Any]:
    """Arguments of ``Zip`` from a config.

    Raises:
        ConfigError: a key with an unusable value, weights that cannot be had.
        NamesError: an unusable list of names.
    """
    zip_ = cfg.MODEL.ZIP
    _check_least(zip_)
    names = class_names(cfg)
    # Its path has to be set by hand, so mistakes show before anything is downloaded.
    segmenter = segmenter_of(cfg)
    semantic, tokenizer = load_clip(zip_.SEMANTIC.ARCH, zip_.SEMANTIC.WEIGHTS, "MODEL.ZIP.SEMANTIC")
    text, empty_text = build_text(cfg, semantic, tokenizer, names)
    boundary, boundary_tokenizer = load_clip(
        zip_.BOUNDARY.ARCH, zip_.BOUNDARY.WEIGHTS, "MODEL.ZIP.BOUNDARY"
    )
    by_boundary = naming_network(cfg) == "BOUNDARY"
    clip, texts = semantic, (text, empty_text)
    if by_boundary:
        clip = boundary
        texts = build_text(cfg, boundary, boundary_tokenizer, names, "BOUNDARY")
    naming = zip_.NAMING
    own_pass = by_boundary or naming.INPUT_SIZE or naming.WINDOWS
    if not all(0 < side < 1 for side in naming.WINDOWS):
        raise ConfigError("MODEL.ZIP.NAMING.WINDOWS", f"{naming.WINDOWS} are not between 0 and 1")
    by_crop = _one_of(zip_, "SCORING.NAME_SCORE", NAME_SCORES) != "image"
    return {
        "naming": ClipNaming(clip.visual, *texts, naming.INPUT_SIZE, naming.WINDOWS)
        if own_pass
        else None,
        "crops": ClipCrops(clip.visual, zip_.SCORING.CROP_SIZE) if by_crop else None,
        "semantic": ClipDense(
            semantic.visual,
            zip_.SEMANTIC.PATH,
            zip_.SEMANTIC.SURGERY_BLOCKS,
            zip_.SEMANTIC.INPUT_SIZE,
        ),
        "boundary": ClipBoundary(
            boundary.visual,
            zip_.BOUNDARY.LAYER,
            (zip_.BOUNDARY.INPUT_SIZE, zip_.BOUNDARY.MAX_SIZE),
            zip_.BOUNDARY.STRIP_PIXELS,
        ),
        "segmenter": segmenter,
        "use_points": zip_.SEGMENTER.USE_POINTS,
        "names": names,
        "text": text,
        "empty_text": empty_text,
        "stages": build_stages(cfg, clip),
        "input_format": input_format(cfg),
        "autocast": zip_.AUTOCAST,
    }


def segmenter_of(cfg: CfgNode) -> Segmenter:
    """The segmenter of ``MODEL.ZIP.SEGMENTER``; raises ConfigError as ``build_segmenter``."""
    own = cfg.MODEL.ZIP.SEGMENTER
    key = "MODEL.ZIP.SEGMENTER"
    return build_segmenter(own.NAME, own.TYPE, own.WEIGHTS, key, own.PROMPT_BATCH)


def input_format(cfg: CfgNode) -> str:
    """``INPUT.FORMAT``; raises ConfigError unless it is "BGR" or "RGB"."""
    if cfg.INPUT.FORMAT not in ("BGR", "RGB"):
        raise ConfigError("INPUT.FORMAT", f"'{cfg.INPUT.FORMAT}' is not one of: BGR, RGB")
    return cfg.INPUT.FORMAT


def naming_network(cfg: CfgNode) -> str:
    """The section of ``MODEL.ZIP`` whose CLIP names images: "SEMANTIC" or "BOUNDARY".

    Raises:
        ConfigError: another ``MODEL.ZIP.NAMING.NETWORK``.
    """
    return _one_of(cfg.MODEL.ZIP, "NAMING.NETWORK", ("semantic", "boundary")).upper()


def build_stages(cfg: CfgNode, clip: Any) -> Stages:
    """The stages of ``cfg.MODEL.ZIP``; logit scale and bias are those of ``clip``, which names.

    Raises:
        ConfigError: a rule or method that does not exist.
    """
    zip_ = cfg.MODEL.ZIP
    return Stages(
        naming_stage(cfg, clip),
        partial(
            choose_present,
            relative_threshold=zip_.NAMING.RELATIVE_THRESHOLD,
            min_score=zip_.NAMING.MIN_SCORE,
            max_names=zip_.NAMING.MAX_NAMES,
        ),
        partial(
            name_similarity,
            redundancy=_one_of(zip_, "ACTIVATION.REDUNDANCY", ("empty_text", "mean_name")),
            norm=_one_of(zip_, "ACTIVATION.NORM", ("tokens", "channels")),
        ),
        partial(
            activate,
            threshold=zip_.ACTIVATION.THRESHOLD,
            min_similarity=zip_.ACTIVATION.MIN_SIMILARITY,
            exclusive=zip_.ACTIVATION.EXCLUSIVE,
            fine=zip_.DISCOVERY.FINE,
        ),
        partial(discover, settings=discovery_settings(cfg)),
        scoring_stage(cfg),
    )


def naming_stage(cfg: CfgNode, clip: Any) -> Callable:
    """``score_names`` with the logit scale and bias of ``clip`` and the config's rule."""
    bias = getattr(clip, "logit_bias", None)
    return partial(
        score_names,
        scale=clip.logit_scale.exp().item(),
        bias=None if bias is None else bias.item(),
        rule=_one_of(cfg.MODEL.ZIP, "NAMING.SCORE", ("softmax", "sigmoid")),
    )


def discovery_settings(cfg: CfgNode) -> DiscoverySettings:
    """The constants of discovery.

    Raises:
        ConfigError: a method or rule that does not exist.
    """
    zip_ = cfg.MODEL.ZIP
    return DiscoverySettings(
        method=_discovery_method(zip_),
        min_area=zip_.DISCOVERY.MIN_AREA,
        k=zip_.CLUSTERING.K,
        centres=_one_of(zip_, "CLUSTERING.CENTRES", ("grid", "semantic")),
        max_iterations=zip_.CLUSTERING.MAX_ITERATIONS,
        rtol=zip_.CLUSTERING.RTOL,
        activation_share=zip_.SELECTION.ACTIVATION_SHARE,
        boundary_rule=_one_of(zip_, "SELECTION.BOUNDARY_RULE", ("box_area", "inscribed_radius")),
        boundary_score=zip_.SELECTION.BOUNDARY_SCORE,
        min_radius=zip_.SELECTION.MIN_RADIUS,
        grow=zip_.REGROUPING.GROW,
        quantile=zip_.WATERSHED.QUANTILE,
        radius=zip_.WATERSHED.RADIUS,
        more_radii=tuple(zip_.WATERSHED.MORE_RADII),
        prominence=zip_.WATERSHED.PROMINENCE,
        more_prominences=tuple(zip_.WATERSHED.MORE_PROMINENCES),
        smoothing=zip_.WATERSHED.SMOOTHING,
    )


def _discovery_method(zip_: CfgNode) -> str:
    method = _one_of(zip_, "DISCOVERY.METHOD", ("clusters", "watershed", "silhouette"))
    if method == "clusters" and zip_.DISCOVERY.FINE > 1:
        raise ConfigError(
            "MODEL.ZIP.DISCOVERY.FINE",
            f"{zip_.DISCOVERY.FINE} is for soft boundaries; clusters have the features' cells: 1",
        )
    return method


def scoring_stage(cfg: CfgNode) -> Callable:
    """``to_instances`` with the config's thresholds and caps."""
    return partial(
        to_instances,
        name_score=_one_of(cfg.MODEL.ZIP, "SCORING.NAME_SCORE", NAME_SCORES),
        nms_threshold=cfg.MODEL.ZIP.SCORING.NMS_THRESH,
        nms_across=cfg.MODEL.ZIP.SCORING.NMS_ACROSS,
        min_score=cfg.MODEL.ZIP.SCORING.MIN_SCORE,
        max_detections=cfg.TEST.DETECTIONS_PER_IMAGE,
    )


def class_names(cfg: CfgNode) -> tuple[str, ...]:
    """``MODEL.ZIP.CLASS_NAMES``, or the names in the metadata of the first test data set.

    Raises:
        NamesError: neither names any category, or the names are unusable.
    """
    if cfg.MODEL.ZIP.CLASS_NAMES:
        return check_names(cfg.MODEL.ZIP.CLASS_NAMES, "MODEL.ZIP.CLASS_NAMES")
    for dataset in cfg.DATASETS.TEST[:1]:
        metadata = MetadataCatalog.get(dataset)
        if not metadata.get("thing_classes") and dataset in DatasetCatalog.list():
            DatasetCatalog.get(dataset)  # COCO-format files bring their names when they are loaded
        names = metadata.get("thing_classes")
        if names:
            return check_names(names, f"thing_classes of the data set '{dataset}'")
    raise NamesError(
        "MODEL.ZIP.CLASS_NAMES: no names to look for; set it, or DATASETS.TEST to a data set "
        "whose metadata has thing_classes"
    )


def build_text(
    cfg: CfgNode,
    clip: nn.Module,
    tokenizer: Callable,
    names: Sequence[str],
    network: str = "SEMANTIC",
) -> tuple[Tensor, Tensor]:
    """Embeddings [C, D] of the names and [D] of the empty string; warns of names that are cut.

    Args:
        network: the section of ``MODEL.ZIP`` that ``clip`` is of.

    Raises:
        ConfigError: unusable templates.
    """
    text = cfg.MODEL.ZIP.TEXT
    arch = cfg.MODEL.ZIP[network].ARCH
    encoder = TextEncoder(clip, tokenizer, arch, text.TEMPLATES, text.CACHE_DIR)
    # LVIS writes "traffic_light"; CLIP learned from sentences.
    spoken = [name.replace("_", " ") for name in names]
    cut = encoder.too_long(spoken)
    if cut:
        shown = ", ".join(f"'{name[:40]}...'" for name in cut[:3])
        logger.warning("%d names are longer than CLIP's context and are cut: %s", len(cut), shown)
    clip.to(cfg.MODEL.DEVICE)  # 1,203 names in 85 templates are 102,255 prompts
    embeddings = encoder.encode([*spoken, ""])
    clip.to("cpu")  # models are put together there
    return embeddings[:-1], embeddings[-1]


def _one_of(zip_: CfgNode, key: str, allowed: tuple[str, ...]) -> str:
    value = _value(zip_, key)
    if value not in allowed:
        raise ConfigError(f"MODEL.ZIP.{key}", f"'{value}' is not one of: {', '.join(allowed)}")
    return value


def _check_least(zip_: CfgNode) -> None:
    for key, least in _LEAST.items():
        if _value(zip_, key) < least:
            raise ConfigError(f"MODEL.ZIP.{key}", f"{_value(zip_, key)} is less than {least}")


def _value(zip_: CfgNode, key: str):
    section, name = key.split(".")
    return zip_[section][name]
