"""Label splits: nested, of the right size, keeping categories, the same for any order of lists."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import make_label_splits

from zipseg.data.splits import LEVELS, image_order, make_split, split_name, split_size
from zipseg.utils.errors import ZipSegError


@st.composite
def datasets(draw):
    """Up to 300 images of up to 12 categories, rare ones and empty images among them."""
    count, categories = draw(st.integers(1, 300)), draw(st.integers(1, 12))
    rng = random.Random(draw(st.integers(0, 1000)))
    images = [{"id": i * 7 + 3, "height": 4, "width": 4, "neg_category_ids": [1]}
              for i in range(count)]  # fmt: skip
    annotations = [
        {"image_id": rng.choice(images)["id"], "category_id": min(rng.randint(1, categories),
         rng.randint(1, categories)), "iscrowd": int(rng.random() < 0.1)}
        for _ in range(rng.randint(0, 2 * count))
    ]  # fmt: skip
    return {
        "images": images,
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations, 1)],
        "categories": [{"id": i, "frequency": "r"} for i in range(1, categories + 1)],
        "more": "kept",
    }


def ids(split: dict) -> set[int]:
    return {image["id"] for image in split["images"]}


def shown(split: dict) -> set[int]:
    return {a["category_id"] for a in split["annotations"] if not a["iscrowd"]}


seeds = st.integers(0, 5)


@given(datasets(), seeds)
def test_nested_and_of_the_right_size(dataset, seed):
    count, before = len(dataset["images"]), set()
    for percent in (0.5, 1, 2, 3, 5, 10, 20, 33.3, 50, 100):
        split = make_split(dataset, percent, seed)
        assert len(split["images"]) == split_size(percent, count) == len(ids(split))
        assert before <= ids(split)
        before = ids(split)
        expected = [a for a in dataset["annotations"] if a["image_id"] in before]
        assert split["annotations"] == expected
        assert split["categories"] == dataset["categories"]
        assert split["more"] == "kept"
        assert split["info"]["split"]["of"] == count


@given(datasets(), seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_lists_does_not_matter(dataset, seed, rng):
    mixed = {k: rng.sample(v, len(v)) if isinstance(v, list) else v for k, v in dataset.items()}
    assert image_order(mixed, seed) == image_order(dataset, seed)


@given(datasets(), seeds)
def test_categories_are_kept_at_every_level_with_room_for_an_image_of_each(dataset, seed):
    """With as many images as categories there is always room: a greedy choice shows them all."""
    for percent in LEVELS:
        split = make_split(dataset, percent, seed)
        if len(split["images"]) >= len(dataset["categories"]):
            assert shown(split) == shown(dataset)


@given(datasets(), seeds, st.sampled_from(LEVELS))
def test_a_random_choice_where_it_shows_everything(dataset, seed, percent):
    plain = image_order({**dataset, "annotations": []}, seed)
    count = len(plain)
    start = set(plain[: split_size(LEVELS[0], count)])
    own = {a["category_id"] for a in dataset["annotations"]
           if a["image_id"] in start and not a["iscrowd"]}  # fmt: skip
    if own == shown(dataset):
        assert ids(make_split(dataset, percent, seed)) == set(plain[: split_size(percent, count)])


def test_seeds_differ_and_a_seed_repeats():
    dataset = {"images": [{"id": i} for i in range(200)], "annotations": [], "categories": []}
    assert image_order(dataset, 0) == image_order(dataset, 0) != image_order(dataset, 1)
    assert image_order(dataset, 0)[:4] == [87, 46, 15, 44]  # the same on every machine


def test_names_are_cutlers():
    assert split_name("instances_train2017.json", 1) == "1perc_instances_train2017.json"
    assert split_name("x.json", 0.5, 2) == "0.5perc_seed2_x.json"


def test_no_images_make_no_split():
    with pytest.raises(ZipSegError, match="no images"):
        make_split({"images": [], "annotations": [], "categories": []}, 10)


def test_the_command_line(tmp_path, capsys):
    dataset = {
        "images": [
            {"id": i, "height": 9, "width": 9, "not_exhaustive_category_ids": [2]}
            for i in range(100)
        ],
        "annotations": [{"id": 1, "image_id": 5, "category_id": 2, "bbox": [1, 2, 3, 4], "x": 1}],
        "categories": [{"id": 2, "name": "cat", "image_count": 1}],
    }
    path = tmp_path / "lvis_v1_train.json"
    path.write_text(json.dumps(dataset))
    assert make_label_splits.main([str(path), "--output", str(tmp_path / "out")]) == 0
    assert make_label_splits.main([str(path), "--percent", "3", "--seed", "2"]) == 0
    names = {f"{p}perc_lvis_v1_train.json" for p in (1, 2, 5, 10, 20, 50)}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    split = json.loads((tmp_path / "3perc_seed2_lvis_v1_train.json").read_text())
    assert len(split["images"]) == 3
    assert split["annotations"] == dataset["annotations"]
    assert split["images"][0]["not_exhaustive_category_ids"] == [2]
    assert "3 images, 1 labels, 1 of 1 categories" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        make_label_splits.main([str(path), "--percent", "0"])
    assert "--percent: 0 is not above 0" in capsys.readouterr().err
