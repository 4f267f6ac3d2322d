"""One vocabulary: what a model's classes are called, and whether the data sets mean the same."""

import hashlib
from collections.abc import Sequence

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from ..utils.errors import ConfigError
from .names import NamesError, check_names

AGNOSTIC_CLASSES = ("object",)


def use_names(cfg: CfgNode, names: Sequence[str]) -> None:
    """Makes ``names`` the classes of a config's model, in their order: those that Zip looks for or
    that a detector was trained for, and those of ``DefaultPredictor(cfg).metadata``.

    Raises:
        NamesError: unusable names.
    """
    names = check_names(names, "the names")
    cfg.MODEL.ZIP.CLASS_NAMES = list(names)
    cfg.DATASETS.TEST = (metadata_of(names),)


def metadata_of(names: Sequence[str]) -> str:
    """The name in Detectron2's ``MetadataCatalog`` of metadata with these ``thing_classes``."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    return MetadataCatalog.get(f"names_{digest}").set(thing_classes=list(names)).name


def class_names(cfg: CfgNode) -> tuple[str, ...]:
    """What Zip looks for: ``MODEL.ZIP.CLASS_NAMES``, or the names of the first test data set.

    Raises:
        NamesError: neither has names, the names are unusable, or both have different ones.
    """
    key = "MODEL.ZIP.CLASS_NAMES"
    given = check_names(cfg.MODEL.ZIP.CLASS_NAMES, key) if cfg.MODEL.ZIP.CLASS_NAMES else ()
    for dataset in cfg.DATASETS.TEST[:1]:
        metadata = MetadataCatalog.get(dataset)
        if not metadata.get("thing_classes") and dataset in DatasetCatalog.list():
            DatasetCatalog.get(dataset)  # COCO-format files bring their names when they are loaded
        own = metadata.get("thing_classes")
        if not own:
            continue
        if given and given != tuple(own):
            raise NamesError(
                f"{key}: are {len(given)} names and the data set '{dataset}' of DATASETS.TEST has "
                f"{len(own)}; {_difference(given, own)}: empty one of the two keys, or set both "
                "with zipseg.use_names"
            )
        return check_names(own, f"thing_classes of the data set '{dataset}'")
    if given:
        return given
    raise NamesError(
        f"{key}: no names to look for; set it, or DATASETS.TEST to a data set whose metadata has "
        "thing_classes"
    )


def training_classes(cfg: CfgNode) -> tuple[str, ...]:
    """The names of the detector's classes in the order of its outputs, by DATASETS.TRAIN.

    Raises:
        ConfigError: an unregistered data set; data sets that disagree with each other, with
            DATASETS.TEST or with MODEL.ROI_HEADS.NUM_CLASSES.
    """
    names = list(cfg.DATASETS.TRAIN)
    if not names:
        raise ConfigError(
            "DATASETS.TRAIN", "is empty; name a data set or a COCO-format .json file of labels"
        )
    classes = _classes(names[0], "DATASETS.TRAIN")
    if cfg.TRAINING.CLASS_AGNOSTIC:
        for name in names[1:]:
            _classes(name, "DATASETS.TRAIN")
        if tuple(cfg.EVALUATION.PROTOCOLS) != ("class_agnostic",):
            raise ConfigError(
                "EVALUATION.PROTOCOLS",
                'must be ("class_agnostic",) for TRAINING.CLASS_AGNOSTIC, which knows no names',
            )
        classes = AGNOSTIC_CLASSES
    else:
        for key in ("TRAIN", "TEST"):
            for name in cfg.DATASETS[key]:
                _check_same(classes, _classes(name, f"DATASETS.{key}"), names[0], name, key)
    number = cfg.MODEL.ROI_HEADS.NUM_CLASSES
    has_heads = cfg.MODEL.META_ARCHITECTURE in ("GeneralizedRCNN", "PromptedRCNN")
    if has_heads and number != len(classes):
        raise ConfigError(
            "MODEL.ROI_HEADS.NUM_CLASSES",
            f"is {number}, but {names[0]} is trained on with {len(classes)} names; "
            f"set it to {len(classes)}",
        )
    return classes


def known_classes(cfg: CfgNode, keys: Sequence[str] = ("TEST",)) -> tuple[str, ...] | None:
    """The names that a detector is evaluated or used with: those of the first data set under
    ``keys`` of DATASETS, None where they are not known."""
    if cfg.TRAINING.CLASS_AGNOSTIC:
        return AGNOSTIC_CLASSES
    for name in [name for key in keys for name in cfg.DATASETS[key]][:1]:
        classes = MetadataCatalog.get(name).get("thing_classes")
        return tuple(classes) if classes else None
    return None


def _classes(name: str, key: str) -> tuple[str, ...]:
    if name not in DatasetCatalog.list():
        raise ConfigError(
            key, f"'{name}' is neither a registered data set nor a COCO-format .json file"
        )
    if not MetadataCatalog.get(name).get("thing_classes"):
        DatasetCatalog.get(name)  # some data sets fill their metadata when they are loaded
    classes = MetadataCatalog.get(name).get("thing_classes")
    if not classes:
        raise ConfigError(key, f"the metadata of '{name}' have no thing_classes")
    return tuple(classes)


def _check_same(
    first: Sequence[str], other: Sequence[str], first_name: str, name: str, key: str
) -> None:
    if tuple(first) == tuple(other):
        return
    raise ConfigError(
        f"DATASETS.{key}",
        f"{first_name} has {len(first)} names and {name} {len(other)}; "
        f"{_difference(first, other)}; all have to share one vocabulary",
    )


def _difference(first: Sequence[str], other: Sequence[str]) -> str:
    """Where two different lists of names part."""
    pairs = zip(first, other, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(other)))
    named = [repr(names[place]) if place < len(names) else "nothing" for names in (first, other)]
    return f"they differ from name {place + 1} on ({named[0]}, {named[1]})"
