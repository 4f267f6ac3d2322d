"""Does the config's detector have the parts that its TRAINING section asks for?"""

from detectron2.config import CfgNode

from ...utils.errors import ConfigError

_WEIGHTING_HEADS = (
    "NoisyROIHeads",
    "ClipROIHeads",
    "NoisyCascadeROIHeads",
    "NoisyCenterNet2ROIHeads",
)
_IGNORING_GENERATORS = ("NoisyRPN", "NoisyCenterNet")


def check_parts(cfg: CfgNode) -> None:
    """Raises ConfigError for a part that the detector does not serve, or a value out of range."""
    training, model = cfg.TRAINING, cfg.MODEL
    heads = "MODEL.ROI_HEADS.NAME", model.ROI_HEADS.NAME, _WEIGHTING_HEADS
    generator = (
        "MODEL.PROPOSAL_GENERATOR.NAME",
        model.PROPOSAL_GENERATOR.NAME,
        _IGNORING_GENERATORS,
    )
    masks = "MODEL.ROI_MASK_HEAD.NAME", model.ROI_MASK_HEAD.NAME, ("WeightedMaskHead",)
    if training.DROP_LOSS.ENABLED:
        _in_range("TRAINING.DROP_LOSS.IOU", training.DROP_LOSS.IOU)
        _served("TRAINING.DROP_LOSS", *heads)
    if training.SCORE_WEIGHTS.ENABLED:
        _served("TRAINING.SCORE_WEIGHTS", *heads)
        if model.MASK_ON:
            _served("TRAINING.SCORE_WEIGHTS", *masks)
    band = training.IGNORE_BAND
    _in_range("TRAINING.IGNORE_BAND.LOW", band.LOW)
    if band.LOW > band.HIGH > 0:
        raise ConfigError("TRAINING.IGNORE_BAND", f"LOW {band.LOW} is above HIGH {band.HIGH}")
    if band.HIGH > 0:
        _served("TRAINING.IGNORE_BAND", *heads)
        _served("TRAINING.IGNORE_BAND", *generator)
    paste = training.COPY_PASTE
    if paste.PROBABILITY > 0:
        if not (model.MASK_ON and cfg.INPUT.MASK_FORMAT == "bitmask"):
            raise ConfigError(
                "TRAINING.COPY_PASTE", "needs MODEL.MASK_ON and INPUT.MASK_FORMAT 'bitmask'"
            )
        if len(paste.SCALE) != 2 or not 0 < paste.SCALE[0] <= paste.SCALE[1]:
            raise ConfigError(
                "TRAINING.COPY_PASTE.SCALE", f"{paste.SCALE} is not (least, greatest) above 0"
            )


def _in_range(key: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(key, f"{value} is not in [0, 1)")


def _served(part: str, key: str, name: str, able: tuple[str, ...]) -> None:
    if name not in able:
        raise ConfigError(part, f"needs {key} to be one of {', '.join(able)}, not '{name}'")
