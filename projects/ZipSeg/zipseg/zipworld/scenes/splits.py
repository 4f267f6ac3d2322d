"""Names of ZipWorld and the scene seeds of its splits."""

COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
CATEGORY_NAMES = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)

# One per colour and one per shape, so that each word is known and only the pair is new.
UNSEEN_NAMES = frozenset(
    ("red cross", "yellow heart", "green star", "blue triangle", "purple circle", "white square")
)

# Scene seeds. A seed alone decides every byte of its scene, names included.
# The primer: one large object a scene, mostly plain on plain ground, to learn the words from;
# close-ups: the same, but the object fills most of the picture.
SPLITS = {
    "zipworld_closeup": range(8_000_000, 8_100_000),
    "zipworld_primer": range(7_000_000, 7_100_000),
    "zipworld_pretrain": range(1_000_000, 1_100_000),
    "zipworld_pretrain_val": range(2_000_000, 2_001_000),
    "zipworld_train": range(3_000_000, 3_002_000),
    "zipworld_val": range(4_000_000, 4_000_300),
    "zipworld_small": range(9_000_000, 9_000_080),
    "zipworld_mini": range(5_000_000, 5_000_040),
}
EVALUATION_SPLITS = ("zipworld_train", "zipworld_val", "zipworld_small", "zipworld_mini")
_PRETRAINING_SPLITS = (
    "zipworld_closeup",
    "zipworld_primer",
    "zipworld_pretrain",
    "zipworld_pretrain_val",
)


def is_pretraining(seed: int) -> bool:
    """Whether a scene seed belongs to pre-training, where ``UNSEEN_NAMES`` never occur."""
    return any(seed in SPLITS[name] for name in _PRETRAINING_SPLITS)


def is_primer(seed: int) -> bool:
    """Whether a scene seed belongs to the primer."""
    return seed in SPLITS["zipworld_primer"]


def is_closeup(seed: int) -> bool:
    """Whether a scene seed belongs to the close-ups."""
    return seed in SPLITS["zipworld_closeup"]
