"""The merge rule against a plain loop over masks."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util
from tests.labeling.test_filters import label_files
from tools import merge_pseudo_labels

from zipseg.data.coco_format import read_labels, write_labels
from zipseg.labeling.errors import LabelingError
from zipseg.self_training.merging import merge_labels
from zipseg.self_training.rule import MergeRule

rules = st.builds(
    MergeRule,
    st.sampled_from([0.0, 0.5, 0.7]),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    st.booleans(),
    st.sampled_from([0.3, 0.7, 1.0]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([None, 2, 5]),
)


def iou(a: dict, b: dict) -> float:
    one, two = (mask_util.decode(x["segmentation"]).astype(bool) for x in (a, b))
    return (one & two).sum() / (one | two).sum()


def slow_merge(new: list[dict], previous: list[dict], rule: MergeRule) -> list[tuple]:
    """(image, category, score, box, whether new) of what is kept, in the order of the file."""
    kept = [a for a in new if a["score"] >= rule.new_score]
    older = []
    for a in previous:
        rivals = [
            b
            for b in kept
            if b["image_id"] == a["image_id"]
            and (rule.any_category or b["category_id"] == a["category_id"])
        ]
        if a["score"] >= rule.previous_score and all(iou(a, b) < rule.overlap for b in rivals):
            older.append(a)
    everything = [(a, True) for a in kept] + [(a, False) for a in older]
    everything.sort(key=lambda x: x[0]["image_id"])
    ranked = sorted(range(len(everything)), key=lambda i: (-everything[i][0]["score"], i))
    passed: list[int] = []
    for i in ranked:
        a = everything[i][0]
        same = [
            everything[j][0]
            for j in passed
            if everything[j][0]["image_id"] == a["image_id"]
            and (rule.any_category or everything[j][0]["category_id"] == a["category_id"])
        ]
        if all(iou(a, b) <= rule.max_overlap for b in same):
            passed.append(i)
    for key, cap in (("image_id", rule.per_image), ("category_id", rule.per_category)):
        seen: Counter = Counter()
        within = []
        for i in passed:
            if cap is None or seen[everything[i][0][key]] < cap:
                within.append(i)
            seen[everything[i][0][key]] += 1
        passed = within
    return [_key(*everything[i]) for i in sorted(passed)]


def _key(a: dict, is_new: bool) -> tuple:
    return a["image_id"], a["category_id"], a["score"], tuple(a["bbox"]), is_new


@settings(max_examples=150)
@given(label_files(), label_files(), rules)
def test_the_rule_is_that_of_a_plain_loop(new, previous, rule):
    merged = merge_labels(new, previous, rule)
    expected = slow_merge(new["annotations"], previous["annotations"], rule)
    assert [_key(a, a["generation"] == 1) for a in merged["annotations"]] == expected
    assert [a["id"] for a in merged["annotations"]] == list(range(1, len(expected) + 1))
    assert merged["images"] == new["images"]
    counts = merged["info"]["merge"]
    assert counts["new"]["kept"] + counts["previous"]["kept"] == len(expected)


@given(label_files(), label_files())
def test_generations_count_merges(new, previous):
    rule = MergeRule(new_score=0.5, per_image=None)
    once = merge_labels(new, previous, rule)
    twice = merge_labels(new, once, rule)
    assert twice["info"]["merge"]["generation"] == 2
    assert {a["generation"] for a in twice["annotations"]} <= {0, 1, 2}
    # The same new labels replace themselves.
    assert [a["bbox"] for a in twice["annotations"]] == [a["bbox"] for a in once["annotations"]]


def labels(**changes) -> dict:
    base = {
        "info": {"provenance": {"source": {"root": "/pictures"}}, "date_created": "now"},
        "images": [{"id": 1, "file_name": "1.png", "height": 8, "width": 8}],
        "categories": [{"id": 2, "name": "cat"}],
        "annotations": [],
    }
    return {**base, **changes}


def test_images_that_one_file_lacks_stay():
    more = labels(images=[{"id": 3, "file_name": "3.png", "height": 8, "width": 8}])
    assert [i["id"] for i in merge_labels(labels(), more)["images"]] == [1, 3]


@pytest.mark.parametrize(
    ("change", "rule", "message"),
    [
        ({"categories": [{"id": 2, "name": "dog"}]}, {}, r"categories: \[\(2, 'cat'\), \(2, 'dog"),
        (
            {"images": [{"id": 1, "file_name": "other.png"}]},
            {},
            r"1.png in the new labels and other",
        ),
        ({}, {"overlap": 1.5}, r"--overlap: 1.5 is not in 0 .. 1"),
        ({}, {"per_image": 0}, r"--per-image: 0 is not in"),
    ],
)
def test_what_does_not_fit(change, rule, message):
    with pytest.raises(LabelingError, match=message):
        merge_labels(labels(), labels(**change), MergeRule(**rule))


def test_the_command_line(tmp_path, capsys):
    box = {"image_id": 1, "category_id": 2, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
    far = {**box, "bbox": [4, 4, 4, 4]}
    write_labels(tmp_path / "new.json", labels(annotations=[{"id": 1, "score": 0.9, **box}]))
    write_labels(
        tmp_path / "old.json",
        labels(annotations=[{"id": 1, "score": 0.3, **box}, {"id": 2, "score": 0.3, **far}]),
    )
    files = [str(tmp_path / name) for name in ("new.json", "old.json", "out/merged.json")]
    assert merge_pseudo_labels.main(files) == 0
    assert "1 of 1 new labels, 1 of 2 previous ones" in capsys.readouterr().out
    merged = read_labels(files[2])
    assert [(a["bbox"][0], a["generation"]) for a in merged["annotations"]] == [(0, 1), (4, 0)]
    info = json.loads((tmp_path / "out" / "merged.json").read_text())["info"]
    assert info["provenance"] == {"source": {"root": "/pictures"}}
    assert info["merge"]["rule"] == MergeRule()._asdict()
    assert merge_pseudo_labels.main([*files, "--previous-score", "0.5"]) == 0
    assert len(read_labels(files[2])["annotations"]) == 1


@pytest.mark.parametrize("merge", [None, [], "round 1", {"generation": None}, {"generation": "1"}])
def test_what_other_tools_left_in_the_place_of_a_merge_counts_as_none(merge):
    previous = labels(info={"merge": merge})
    assert merge_labels(labels(), previous)["info"]["merge"]["generation"] == 1


def test_an_image_of_another_id_stays_one_image():
    images = [{"id": i, "file_name": f"{i}.png", "height": 8, "width": 8} for i in (1, 2)]
    merged = merge_labels(labels(images=images), labels(images=[images[0], {**images[1], "id": 9}]))
    assert merged["images"] == images
