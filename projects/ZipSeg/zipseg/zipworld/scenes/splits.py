"""Names of ZipWorld and the scene seeds of its splits."""

COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
MATERIALS = ("plain", "marbled", "striped", "checked", "dotted", "zigzag")
NOUN = "cushion"  # what every object is; outlines are free of the name


def category_name(colour: str, material: str) -> str:
    """The name of a pair of ``COLOURS`` and ``MATERIALS``: "red striped cushion"."""
    return f"{colour} {material} {NOUN}"


CATEGORY_NAMES = tuple(category_name(c, m) for c in COLOURS for m in MATERIALS)

# One per colour and one per material, so that each word is known and only the pair is new.
UNSEEN_NAMES = frozenset(
    category_name(c, m) for c, m in zip(COLOURS, reversed(MATERIALS), strict=True)
)

# Scene seeds. A seed alone decides every byte of its scene, names included.
SPLITS = {
    "zipworld_pretrain": range(11_000_000, 11_100_000),
    "zipworld_pretrain_val": range(12_000_000, 12_001_000),
    "zipworld_train": range(13_000_000, 13_002_000),
    "zipworld_unlabelled": range(18_000_000, 18_000_400),
    "zipworld_val": range(14_000_000, 14_000_200),
    "zipworld_small": range(19_000_000, 19_000_080),
    "zipworld_mini": range(15_000_000, 15_000_040),
}
EVALUATION_SPLITS = (
    *("zipworld_train", "zipworld_unlabelled", "zipworld_val"),
    *("zipworld_small", "zipworld_mini"),
)
_PRETRAINING_SPLITS = ("zipworld_pretrain", "zipworld_pretrain_val")


def is_pretraining(seed: int) -> bool:
    """Whether a scene seed belongs to pre-training, where ``UNSEEN_NAMES`` never occur."""
    return any(seed in SPLITS[name] for name in _PRETRAINING_SPLITS)
