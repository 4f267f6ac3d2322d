"""From a config to the parts of Zip: the networks, the text and the configured stages."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar, get_type_hints

from detectron2.config import CfgNode
from torch import Tensor, nn

from ..data.vocabulary import class_names
from ..utils.errors import ConfigError
from .networks.clip_boundary import ClipBoundary
from .networks.clip_classifier import ClipClassifier
from .networks.clip_crops import ClipCrops
from .networks.clip_dense import ClipDense
from .networks.clip_text import TextEncoder
from .networks.segmenters import Prompting, Segmenter, build_segmenter
from .networks.weights import load_clip
from .stages import extensions  # noqa: F401 - registers them
from .stages.activation import Activate, ComparePatches
from .stages.classification import ScoreCategories, SelectPresent
from .stages.discovery import DISCOVERY_REGISTRY, Discovery
from .stages.pool import Pool
from .stages.rating import RateMasks
from .stages.scoring import ToInstances
from .stages.stage import ConstantError, Stage

logger = logging.getLogger(__name__)
StageT = TypeVar("StageT", bound=Stage)

# The least that keys of networks may be, which need some pixels.
_LEAST = {
    "SEMANTIC.INPUT_SIZE": 32,
    "BOUNDARY.INPUT_SIZE": 32,
    "BOUNDARY.MAX_SIZE": 32,
    "SEGMENTER.PROMPT_BATCH": 1,
    "SEGMENTER.ROUNDS": 1,
}


class Stages(NamedTuple):
    """The stages with their constants, in order."""

    score_categories: ScoreCategories
    select_present: SelectPresent
    compare_patches: ComparePatches
    activate: Activate
    discover: Discovery
    rate_masks: RateMasks
    to_instances: ToInstances


def zip_arguments(cfg: CfgNode) -> dict[str, Any]:
    """Arguments of ``Zip`` from a config.

    Raises:
        ConfigError: a key with an unusable value, weights that cannot be had.
        NamesError: an unusable list of names.
    """
    zip_ = cfg.MODEL.ZIP
    _check_least(zip_)
    names = class_names(cfg)
    # Its path may be set by hand, so mistakes show before anything is downloaded.
    segmenter = segmenter_of(cfg)
    semantic, tokenizer = load_clip(zip_.SEMANTIC.ARCH, zip_.SEMANTIC.WEIGHTS, "MODEL.ZIP.SEMANTIC")
    text, empty_text = build_text(cfg, semantic, tokenizer, names)
    boundary, boundary_tokenizer = load_clip(
        zip_.BOUNDARY.ARCH, zip_.BOUNDARY.WEIGHTS, "MODEL.ZIP.BOUNDARY"
    )
    by_boundary = classifying_network(cfg) == "BOUNDARY"
    clip, texts = semantic, (text, empty_text)
    if by_boundary:
        clip = boundary
        texts = build_text(cfg, boundary, boundary_tokenizer, names, "BOUNDARY")
    stages = build_stages(cfg, clip)
    own = zip_.CLASSIFICATION
    own_pass = by_boundary or own.INPUT_SIZE or list(own.WINDOWS) != [1]
    if not own.WINDOWS or not all(0 < side <= 1 for side in own.WINDOWS):
        raise ConfigError(
            "MODEL.ZIP.CLASSIFICATION.WINDOWS",
            f"{own.WINDOWS} are not shares of the image's sides, above 0 and at most 1",
        )
    by_crop = stages.to_instances.category_score != "image"
    return {
        "classifier": ClipClassifier(clip.visual, *texts, own.INPUT_SIZE, own.WINDOWS)
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
        "prompting": prompting_of(cfg),
        "names": names,
        "text": text,
        "empty_text": empty_text,
        "stages": stages,
        "input_format": input_format(cfg),
        "autocast": zip_.AUTOCAST,
    }


def segmenter_of(cfg: CfgNode) -> Segmenter:
    """The segmenter of ``MODEL.ZIP.SEGMENTER``; raises ConfigError as ``build_segmenter``."""
    own = cfg.MODEL.ZIP.SEGMENTER
    key = "MODEL.ZIP.SEGMENTER"
    return build_segmenter(own.NAME, own.TYPE, own.WEIGHTS, key, own.PROMPT_BATCH)


def prompting_of(cfg: CfgNode) -> Prompting:
    """How ``MODEL.ZIP.SEGMENTER`` is prompted; raises ConfigError for an IoU out of 0..1."""
    own = cfg.MODEL.ZIP.SEGMENTER
    if not 0 < own.SAME_BOX <= 1:
        raise ConfigError(
            "MODEL.ZIP.SEGMENTER.SAME_BOX", f"{own.SAME_BOX} is not an IoU above 0 and at most 1"
        )
    return Prompting(own.USE_POINTS, own.ROUNDS, own.SAME_BOX)


def input_format(cfg: CfgNode) -> str:
    """``INPUT.FORMAT``; raises ConfigError unless it is "BGR" or "RGB"."""
    if cfg.INPUT.FORMAT not in ("BGR", "RGB"):
        raise ConfigError("INPUT.FORMAT", f"'{cfg.INPUT.FORMAT}' is not one of: BGR, RGB")
    return cfg.INPUT.FORMAT


def classifying_network(cfg: CfgNode) -> str:
    """The section of ``MODEL.ZIP`` whose CLIP classifies images: "SEMANTIC" or "BOUNDARY".

    Raises:
        ConfigError: another ``MODEL.ZIP.CLASSIFICATION.NETWORK``.
    """
    allowed = ("semantic", "boundary")
    return _one_of(cfg.MODEL.ZIP, "CLASSIFICATION.NETWORK", allowed).upper()


def build_stages(cfg: CfgNode, clip: Any) -> Stages:
    """The stages of ``cfg.MODEL.ZIP``; scale and bias are those of ``clip``, which classifies.

    Raises:
        ConfigError: a constant with an unusable value, a discovery that is not registered.
    """
    zip_ = cfg.MODEL.ZIP
    return Stages(
        score_stage(cfg, clip),
        build_stage(SelectPresent, zip_),
        build_stage(ComparePatches, zip_),
        build_stage(Activate, zip_),
        build_discovery(zip_),
        build_stage(RateMasks, zip_),
        build_stage(ToInstances, zip_, max_detections=cfg.TEST.DETECTIONS_PER_IMAGE),
    )


def build_discovery(zip_: CfgNode) -> Discovery:
    """The discovery of ``DISCOVERY.NAME``, or all of several, at ``DISCOVERY.LEVELS``; raises as
    ``build_stages``."""
    names, known = zip_.DISCOVERY.NAME.split("+"), sorted(name for name, _ in DISCOVERY_REGISTRY)
    for name in names:
        if name not in known:
            raise ConfigError(
                "MODEL.ZIP.DISCOVERY.NAME", f"'{name}' is not one of: {', '.join(known)}"
            )
        if zip_.ACTIVATION.FINE > 1 and not DISCOVERY_REGISTRY.get(name).ANY_GRID:
            raise ConfigError(
                "MODEL.ZIP.ACTIVATION.FINE",
                f"{zip_.ACTIVATION.FINE}: {name} has the features' cells; set it to 1",
            )
    ways = tuple(build_stage(DISCOVERY_REGISTRY.get(name), zip_) for name in names)
    alone = len(ways) == 1 and not zip_.DISCOVERY.LEVELS
    return ways[0] if alone else build_stage(Pool, zip_, ways=ways)


def score_stage(cfg: CfgNode, clip: Any) -> ScoreCategories:
    """Scores with the logit scale and bias of ``clip``; raises ConfigError as ``build_stages``."""
    bias = getattr(clip, "logit_bias", None)
    return build_stage(
        ScoreCategories,
        cfg.MODEL.ZIP,
        scale=clip.logit_scale.exp().item(),
        bias=None if bias is None else bias.item(),
    )


def build_stage(stage: type[StageT], zip_: CfgNode, **given: Any) -> StageT:
    """A stage with the constants of its sections of ``MODEL.ZIP``, and those of its own stages.

    Args:
        given: constants that are not of the config.

    Raises:
        ConfigError: an unusable value.
        KeyError: the sections lack a constant.
    """
    kinds = get_type_hints(stage)
    keys = {}
    for each in fields(stage):
        if each.name in given:
            continue
        if isinstance(kinds[each.name], type) and issubclass(kinds[each.name], Stage):
            given[each.name] = build_stage(kinds[each.name], zip_)
            continue
        key = each.name.upper()
        (section, *_) = [s for s in stage.SECTIONS if key in zip_[s]] or stage.SECTIONS
        given[each.name], keys[each.name] = zip_[section][key], f"MODEL.ZIP.{section}.{key}"
    try:
        return stage(**given)
    except ConstantError as error:
        raise ConfigError(keys[error.name], error.problem) from error


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


def _one_of(zip_: CfgNode, key: str, allowed: Sequence[str]) -> str:
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
