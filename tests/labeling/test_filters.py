"""Selection of labels against a slow plain reference."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util
from tools import filter_pseudo_labels

from zipseg.data.coco_format import read_labels, write_labels
from zipseg.labeling.errors import LabelingError
from zipseg.labeling.filters import Selection, balance, balance_table, select

SIDE = 12


def rectangle(x: int, y: int, w: int, h: int) -> dict:
    mask = np.zeros((SIDE, SIDE), np.uint8, "F")
    mask[y : y + h, x : x + w] = 1
    rle = mask_util.encode(mask)
    return {"size": [SIDE, SIDE], "counts": rle["counts"].decode()}


shape = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 6), st.integers(1, 6))
label = st.tuples(
    st.integers(1, 4), st.sampled_from([2, 5, 9]), st.sampled_from([0.1, 0.5, 0.9]), shape
)


@st.composite
def label_files(draw):
    annotations = [
        {
            "id": i,
            "image_id": image,
            "category_id": category,
            "score": score,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": rectangle(*box),
        }
        for i, (image, category, score, box) in enumerate(draw(st.lists(label, max_size=25)), 1)
    ]
    return {
        "info": {},
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": SIDE, "width": SIDE} for i in range(1, 5)
        ],
        "categories": [{"id": i, "name": f"n{i}"} for i in (9, 2, 5)],
        "annotations": annotations,
    }


selections = st.builds(
    Selection,
    st.sampled_from([0.0, 0.3, 0.5]),
    st.sampled_from([0.0, 4.0, 10.0]),
    st.sampled_from([0.3, 0.5, 0.9, 1.0]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([None, 2, 5]),
    st.booleans(),
)


def slow_select(annotations: list[dict], rules: Selection) -> list[dict]:
    ranked = sorted(annotations, key=lambda a: (-a["score"], a["id"]))
    kept: list[dict] = []
    for a in ranked:
        if a["score"] < rules.min_score or a["area"] < rules.min_area:
            continue
        same = [
            mask_util.decode(b["segmentation"])
            for b in kept
            if b["image_id"] == a["image_id"]
            and (rules.any_category or b["category_id"] == a["category_id"])
        ]
        mask = mask_util.decode(a["segmentation"])
        if all((mask & m).sum() / (mask | m).sum() <= rules.max_overlap for m in same):
            kept.append(a)
    for key, cap in (("image_id", rules.per_image), ("category_id", rules.per_category)):
        seen: Counter = Counter()
        passed = []
        for a in kept:
            if cap is None or seen[a[key]] < cap:
                passed.append(a)
            seen[a[key]] += 1
        kept = passed
    return sorted(kept, key=lambda a: a["id"])


@settings(deadline=None, max_examples=150)
@given(label_files(), selections)
def test_selection_is_that_of_a_plain_loop(labels, rules):
    selected = select(labels, rules)
    assert selected["annotations"] == slow_select(labels["annotations"], rules)
    assert selected["images"] == labels["images"]
    assert select(selected, rules)["annotations"] == selected["annotations"]


@given(label_files())
def test_the_default_keeps_everything(labels):
    assert select(labels, Selection()) == labels


@given(label_files())
def test_balance_counts(labels):
    found = balance(labels)
    for category, count, images in zip(
        labels["categories"], found.labels, found.images, strict=True
    ):
        own = [a for a in labels["annotations"] if a["category_id"] == category["id"]]
        assert count == len(own)
        assert images == len({a["image_id"] for a in own})
    assert -1e-9 <= found.evenness <= 1 + 1e-9
    assert "| **all** |" in balance_table(found, found)


@pytest.mark.parametrize(
    "rules",
    [
        Selection(min_score=1.5),
        Selection(min_score=float("nan")),
        Selection(min_area=-1),
        Selection(max_overlap=-0.1),
        Selection(per_image=0),
        Selection(per_category=-3),
    ],
)
def test_rules_outside_of_their_range(rules):
    with pytest.raises(LabelingError, match=r"--.* is not in"):
        select({"annotations": []}, rules)


def test_boxes_serve_where_masks_are_missing():
    base = {"image_id": 1, "category_id": 1, "score": 0.5, "area": 16.0, "bbox": [0, 0, 4, 4]}
    labels = {"annotations": [base, {**base, "score": 0.9, "segmentation": rectangle(0, 0, 4, 4)}]}
    assert [a["score"] for a in select(labels, Selection(max_overlap=0.5))["annotations"]] == [0.9]


def test_the_command_line(tmp_path, capsys):
    box = {"image_id": 1, "category_id": 2, "bbox": [0, 0, 4, 4]}
    labels = {
        "info": {"provenance": {"commit": "x"}},
        "images": [{"id": 1, "file_name": "1.png", "height": SIDE, "width": SIDE}],
        "categories": [{"id": 2, "name": "cat"}],
        "annotations": [{**box, "score": 0.2}, {**box, "score": 0.8}],
    }
    write_labels(tmp_path / "labels.json", labels)
    files = [str(tmp_path / "labels.json"), str(tmp_path / "kept.json")]
    assert filter_pseudo_labels.main([*files, "--min-score", "0.5"]) == 0
    assert "| cat | 2 | 1 | 1 |" in capsys.readouterr().out
    kept = read_labels(tmp_path / "kept.json")
    assert [a["score"] for a in kept["annotations"]] == [0.8]
    assert kept["info"]["provenance"] == {"commit": "x"}
    assert kept["info"]["selection"]["min_score"] == 0.5
    assert json.loads((tmp_path / "kept.json").read_text())["licenses"] == []
