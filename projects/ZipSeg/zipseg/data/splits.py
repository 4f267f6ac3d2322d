"""Label splits: small, nested parts of an annotation file, for label-efficient fine-tuning.

All splits of a file and seed are beginnings of one order of its images, so a smaller split is part
of every larger one, whatever percentages are asked for together. The order is that of a hash of
seed and image id, mended at each level of ``LEVELS``: a category that no chosen image has gets its
first image of the order, in place of the last new one of the level whose categories others have
too. So a split differs from a random choice only as far as keeping every category demands.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from ..utils.errors import ZipSegError

LEVELS = (1, 2, 5, 10, 20, 50, 100)  # percent


def split_name(name: str, percent: float, seed: int = 0) -> str:
    """CutLER's name of a split, ``1perc_instances_train2017.json``; the seed is shown unless 0."""
    marked = f"{percent:g}perc" if seed == 0 else f"{percent:g}perc_seed{seed}"
    return f"{marked}_{name}"


def split_size(percent: float, images: int) -> int:
    """How many of ``images`` images a split has: rounded half up, but at least one."""
    return min(images, max(1, int(images * percent / 100 + 0.5)))


def image_order(dataset: Mapping, seed: int = 0) -> list[int]:
    """The ids of all images in the order of which every split is a beginning.

    Images without annotations take part like any other; crowd regions show no category. The order
    of the file's lists does not matter.

    Args:
        dataset: COCO- or LVIS-format.
        seed: another one, another order.
    """
    shown: dict[int, set[int]] = {image["id"]: set() for image in dataset["images"]}
    for annotation in dataset["annotations"]:
        if not annotation.get("iscrowd"):
            shown[annotation["image_id"]].add(annotation["category_id"])
    waiting = sorted(shown, key=lambda identity: (_hash(seed, identity), identity))
    first = {c: identity for identity in reversed(waiting) for c in shown[identity]}
    rarity = Counter(category for categories in shown.values() for category in categories)
    rarest_first = sorted(rarity, key=lambda category: (rarity[category], category))
    order: list[int] = []
    for level in LEVELS:
        fresh = waiting[: split_size(level, len(shown)) - len(order)]
        shows = Counter(c for identity in (*order, *fresh) for c in shown[identity])
        # Exchanges never take the last image of a category away, so none has to come back.
        missing = [(first[c], c) for c in rarest_first if not shows[c]]
        order += _mended(fresh, missing, shows, shown)
        chosen = set(order)
        waiting = [identity for identity in waiting if identity not in chosen]
    return order


def make_split(dataset: Mapping, percent: float, seed: int = 0) -> dict:
    """The part of a COCO- or LVIS-format dict, as ``coco_format.read_entries`` returns it, with
    ``percent`` % of its images.

    All categories and every other field stay, entries keep their order, and ``info.split`` says
    what was done.

    Raises:
        ZipSegError: the percentage is not in (0, 100], or there are no images.
    """
    if not dataset["images"]:
        raise ZipSegError("holds no images to split")
    if not 0 < percent <= 100:
        raise ZipSegError(f"--percent: {percent:g} is not above 0 and at most 100")
    size = split_size(percent, len(dataset["images"]))
    chosen = set(image_order(dataset, seed)[:size])
    annotations = [a for a in dataset["annotations"] if a["image_id"] in chosen]
    info = dict(dataset.get("info") or {})
    info["split"] = {"percent": percent, "seed": seed, "images": size}
    info["split"]["of"] = len(dataset["images"])
    return {
        **dataset,
        "info": info,
        "images": [image for image in dataset["images"] if image["id"] in chosen],
        "annotations": annotations,
    }


def _hash(seed: int, identity: int) -> bytes:
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()


def _mended(
    fresh: list[int],
    missing: Iterable[tuple[int, int]],
    shows: Counter,
    shown: Mapping[int, set[int]],
) -> list[int]:
    """``fresh`` with images exchanged for those of ``missing`` (image, its category) as far as
    there is room; those that came in stand first.

    Args:
        shows: how many of the chosen images show each category; kept up to date.
        shown: image -> categories.
    """
    members = list(fresh)
    for coming, category in missing:
        leaving = next((i for i in reversed(members) if all(shows[c] > 1 for c in shown[i])), None)
        if shows[category] or leaving is None:
            continue
        members.remove(leaving)
        members.insert(0, coming)
        shows.subtract(shown[leaving])
        shows.update(shown[coming])
    return members
