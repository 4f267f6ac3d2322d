"""How a trained detector's labels are merged with those it was trained on.

After CutLER's self-training rounds, which keep a detector's confident masks and those of the
previous round's that overlap none of them: what the detector is sure of replaces older labels, and
objects that it has not learned yet are not lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from pycocotools import mask as mask_util

from ..data.coco_format import match_images
from ..data.coco_format.values import Unusable, is_whole
from ..labeling.errors import LabelingError
from ..labeling.filters import Selection, select
from .rule import MergeRule


def merge_labels(new: dict, previous: dict, rule: MergeRule = MergeRule()) -> dict:  # noqa: B008
    """One COCO-format dict of two for the same images and categories.

    Args:
        new, previous: as ``data.coco_format.read_labels`` returns them.

    Returns:
        ``images`` of either file by id; ``annotations`` by image, new ones first, with ids from 1
        and a ``generation``, the number of merges that their label has come through at the most
        (0: of the first labels); ``info`` has ``provenance`` of the new labels and ``merge``, the
        rule with its counts.

    Raises:
        LabelingError: other categories, one image in two sizes, one id for two images, a rule
            out of its range.
    """
    _check(new, previous, rule)
    previous = _as_in(new, previous)
    generation = _generation(previous["info"].get("merge")) + 1
    kept = select(new, Selection(min_score=rule.new_score))["annotations"]
    older = select(previous, Selection(min_score=rule.previous_score))["annotations"]
    kept = [{**a, "generation": generation} for a in kept]
    older = [{**a, "generation": _generation(a)} for a in older]
    images = {image["id"]: image for labels in (previous, new) for image in labels["images"]}
    together = [*kept, *_apart(older, kept, rule)]
    together.sort(key=lambda a: a["image_id"])  # stable: new ones stay first
    merged = {
        "info": {},
        "licenses": new.get("licenses", []),
        "categories": new["categories"],
        "images": [images[identity] for identity in sorted(images)],
        "annotations": [{**a, "id": number} for number, a in enumerate(together, 1)],
    }
    merged = select(
        merged,
        Selection(
            max_overlap=rule.max_overlap,
            per_image=rule.per_image,
            per_category=rule.per_category,
            any_category=rule.any_category,
        ),
    )
    merged["annotations"] = [{**a, "id": n} for n, a in enumerate(merged["annotations"], 1)]
    from_new = sum(a["generation"] == generation for a in merged["annotations"])
    merged["info"] = {
        **{key: value for key, value in new["info"].items() if key == "provenance"},
        "description": "Pseudo-labels, merged with those of the round before",
        "merge": {
            "rule": rule._asdict(),
            "generation": generation,
            "new": {"labels": len(new["annotations"]), "kept": from_new},
            "previous": {
                "labels": len(previous["annotations"]),
                "kept": len(merged["annotations"]) - from_new,
            },
        },
    }
    return merged


def _check(new: dict, previous: dict, rule: MergeRule) -> None:
    for key in ("new_score", "previous_score", "overlap", "max_overlap"):
        value = getattr(rule, key)
        if not 0 <= value <= 1:
            raise LabelingError(f"--{key.replace('_', '-')}: {value} is not in 0 .. 1")
    names = [{c["id"]: c["name"] for c in labels["categories"]} for labels in (new, previous)]
    if names[0] != names[1]:
        odd = sorted(set(names[0].items()) ^ set(names[1].items()))[:5]
        raise LabelingError(
            f"the files to merge differ in their categories: {odd}; give both the same ones"
        )


def _generation(entry: object) -> int:
    """What ``merge_labels`` wrote; 0 for whatever other tools have left in its place."""
    value = entry.get("generation") if isinstance(entry, dict) else None
    return value if is_whole(value) else 0


def _as_in(new: dict, previous: dict) -> dict:
    """The previous labels with the ids that the new ones have for the same images."""
    ours, theirs = ({image["id"]: image for image in x["images"]} for x in (new, previous))
    names = ([(i, image["file_name"]) for i, image in x.items()] for x in (theirs, ours))
    try:
        same = match_images(*names)
    except Unusable as error:
        raise LabelingError(f"the files to merge: {error}") from error
    for identity, image in theirs.items():
        other = ours.get(same.get(identity, identity))
        if other is not None and identity not in same:
            raise LabelingError(
                f"image {identity} is {other['file_name']} in the new labels and "
                f"{image['file_name']} in the previous ones: they label different pictures"
            )
        sizes = [[x["height"], x["width"]] for x in (other or image, image)]
        if sizes[0] != sizes[1]:
            raise LabelingError(
                f"{image['file_name']} is {sizes[0]} (height, width) in the new labels and "
                f"{sizes[1]} in the previous ones: their masks do not fit each other"
            )
    return {
        **previous,
        "images": [{**image, "id": same.get(i, i)} for i, image in theirs.items()],
        "annotations": [
            {**a, "image_id": same.get(a["image_id"], a["image_id"])}
            for a in previous["annotations"]
        ],
    }


def _apart(older: Iterable[dict], kept: Iterable[dict], rule: MergeRule) -> Iterator[dict]:
    """The older labels that overlap no kept one."""
    rivals = defaultdict(list)
    for annotation in kept:
        rivals[_place(annotation, rule)].append(annotation)
    for annotation in older:
        near = rivals.get(_place(annotation, rule))
        if not near or max(_overlaps(annotation, near)) < rule.overlap:
            yield annotation


def _place(annotation: dict, rule: MergeRule) -> tuple[int, int]:
    return annotation["image_id"], 0 if rule.any_category else annotation["category_id"]


def _overlaps(annotation: dict, others: list[dict]) -> list[float]:
    """IoU with each of ``others``; 1 with one that equals it, even if both are empty."""
    everything = [annotation, *others]
    key = "segmentation" if all(a.get("segmentation") for a in everything) else "bbox"
    shapes = [a[key] for a in everything]
    return mask_util.iou(shapes[:1], shapes[1:], [0] * len(others))[0].tolist()
