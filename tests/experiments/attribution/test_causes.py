"""The attribution on one hand-made image with an object lost at each stage."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from zipseg.data.coco_format import GroundTruth, truth_from
from zipseg.experiments.attribution.causes import (
    CAUSES,
    FOUND,
    Fate,
    attribute,
    find_fates,
    summarise,
)
from zipseg.experiments.attribution.report import write_attribution
from zipseg.experiments.attribution.stage_records import (
    StageRecord,
    load_record,
    load_records,
    save_record,
)
from zipseg.utils.errors import ZipSegError

SIZE, CELL = 80, 4
GRID = SIZE // CELL


def square(x: int, y: int, side: int, height: int | None = None) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[y : y + (height or side), x : x + side] = True
    return mask


# Sixteen by sixteen pixels each, whole cells of four; "pair" two of one name side by side.
OBJECTS = {
    "found": square(0, 0, 16),
    "unnamed": square(20, 0, 16),
    "inactive": square(40, 0, 16),
    "blurred": square(60, 0, 16),
    "twin": square(24, 60, 16),
    "twin ": square(40, 60, 16),
    "pair": square(0, 20, 16),
    "pair ": square(16, 20, 16),
    "parts": square(40, 20, 16),
    "overlooked": square(60, 20, 16),
    "spilt": square(40, 40, 16),
    "smeared": square(0, 40, 16),
    "outvoted": square(20, 40, 16),
}
EXPECTED = (FOUND, "classification", "activation", "leaked", "joined", "joined", "merged", "merged",
            "split", "missed", "spread", "masks", "scoring")  # fmt: skip
NAMES = tuple(name.strip() for name in OBJECTS)


def handmade() -> StageRecord:
    present = np.array(sorted(set(NAMES) - {"unnamed"}))
    place = {name: index for index, name in enumerate(present.tolist())}
    active = np.zeros((len(present), GRID, GRID), dtype=bool)
    pieces = np.full((1, GRID, GRID), -1, dtype=np.int32)
    for number, (name, mask) in enumerate(OBJECTS.items()):
        cells = mask[::CELL, ::CELL]
        if name.strip() in place and name != "inactive":
            active[place[name.strip()]] |= cells
        pieces[0][cells] = number
    pieces[0][15:20, 6:14] = 4  # one over both twins and a row of ground
    # "blurred" shares its piece with three times its area of background.
    pieces[0][:4, 15:] = pieces[0][4:8, 19] = 3
    pieces[0][14:20, 14:] = 3
    pieces[0][4:10, 18:] = 3
    boxes = [
        ("found", 0, 0, 16, 16),
        ("pair", 0, 20, 36, 36),
        ("parts", 40, 20, 48, 28),
        ("parts", 48, 28, 56, 36),
        ("overlooked", 70, 60, 78, 68),
        ("spilt", 36, 36, 70, 70),
        ("smeared", 0, 40, 16, 56),
        ("outvoted", 20, 40, 36, 56),
    ]
    masks = [square(x0, y0, x1 - x0, y1 - y0) for _, x0, y0, x1, y1 in boxes]
    masks[6] = square(0, 40, 5)
    return StageRecord(
        7,
        present,
        active,
        0.3,
        pieces,
        np.array([place[name] for name, *_ in boxes]),
        np.array([box for _, *box in boxes], dtype=np.float32),
        np.array(masks),
        np.array(["found", "smeared"]),
        np.array([masks[0], masks[6]]),
    )


def truth() -> GroundTruth:
    ids = {name: index for index, name in enumerate(sorted(set(NAMES)), start=1)}
    annotations = []
    for number, (name, mask) in enumerate(OBJECTS.items(), start=1):
        rle = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = {**rle, "counts": rle["counts"].decode()}
        shape = {"image_id": 7, "segmentation": text, "bbox": mask_utils.toBbox(rle).tolist()}
        annotations.append({"id": number, "category_id": ids[name.strip()], **shape})
    annotations.append({**annotations[0], "id": len(annotations) + 1, "iscrowd": 1})
    return truth_from(
        {
            "images": [{"id": i, "height": SIZE, "width": SIZE} for i in (7, 8)],
            "annotations": annotations,
            "categories": [{"id": index, "name": name} for name, index in ids.items()],
        }
    )


def test_every_object_is_lost_where_it_was_lost():
    causes = attribute(handmade(), np.array(list(OBJECTS.values())), NAMES)
    assert tuple(causes) == EXPECTED
    assert set(causes) == {FOUND, *CAUSES}


def test_a_good_instance_outweighs_any_stage_that_failed():
    record = handmade()
    record = record._replace(
        final_name=np.array(list(NAMES)), final_mask=np.array(list(OBJECTS.values()))
    )
    assert set(attribute(record, record.final_mask, NAMES)) == {FOUND}


def test_what_is_needed_of_the_activation_depends_on_the_method():
    """A watershed's basins are parts of what is activated: four in ten can never be enough."""
    record, index = handmade(), 9  # "overlooked"
    mask, name = list(OBJECTS.values())[index][None], [NAMES[index]]
    place = record.present.tolist().index(name[0])
    record.active[place] = False
    record.active[place, 5:9, 15:17] = True
    record.active[place, 5:7, 17] = True  # ten of sixteen cells
    assert attribute(record._replace(needed=0.65), mask, name) == ["activation"]
    assert attribute(record._replace(needed=0.5), mask, name) == ["missed"]


def test_a_right_prompt_clears_the_stages_before_it():
    record, index = handmade(), 2  # "inactive"
    prompt = np.array([[40, 0, 56, 14]], dtype=np.float32)
    place = record.present.tolist().index("inactive")
    record = record._replace(
        object_name=np.array([place]), object_box=prompt, mask=np.zeros((1, SIZE, SIZE), bool)
    )
    assert attribute(record, list(OBJECTS.values())[index][None], ["inactive"]) == ["masks"]


def test_nothing_came_out_of_any_stage():
    record = handmade()._replace(
        present=np.zeros(0, dtype=str),
        active=np.zeros((0, GRID, GRID), dtype=bool),
        object_name=np.zeros(0, dtype=np.int64),
        object_box=np.zeros((0, 4), dtype=np.float32),
        mask=np.zeros((0, SIZE, SIZE), dtype=bool),
        final_name=np.zeros(0, dtype=str),
        final_mask=np.zeros((0, SIZE, SIZE), dtype=bool),
    )
    assert set(attribute(record, np.array(list(OBJECTS.values())), NAMES)) == {"classification"}
    named = record._replace(present=np.array(["found"]), active=handmade().active[:1] | True)
    assert attribute(named, OBJECTS["found"][None], ["found"]) == ["missed"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from((FOUND, *CAUSES)), min_size=1), st.randoms())
def test_percentages_add_up_to_a_hundred(causes, random):
    fates = [
        Fate(1, n, random.choice("ab"), random.uniform(1, 1e5), c) for n, c in enumerate(causes)
    ]
    summary = summarise(fates)
    for shares in summary.values():
        assert sum(shares[key] for key in (FOUND, *CAUSES)) == pytest.approx(100)
    assert sum(v["objects"] for k, v in summary.items() if k.startswith("category")) == len(fates)
    assert sum(summary.get(k, {"objects": 0})["objects"] for k in ("small", "medium", "large")) == (
        len(fates)
    )


def test_records_survive_the_disk_and_damage_is_named(tmp_path):
    record = handmade()
    path = save_record(tmp_path, record)
    for before, after in zip(record, load_record(path), strict=True):
        np.testing.assert_array_equal(before, after)
    save_record(tmp_path, record._replace(image_id=12))
    assert [r.image_id for r in load_records(tmp_path)] == [7, 12]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ZipSegError, match=r"7\.npz cannot be read"):
        list(load_records(tmp_path))
    np.savez(path, image_id=7)
    with pytest.raises(ZipSegError, match=r"7\.npz is not a stage record"):
        load_record(path)
    with pytest.raises(ZipSegError, match="holds no stage records"):
        next(load_records(tmp_path / "empty"))


def test_records_of_other_images_are_refused():
    with pytest.raises(ZipSegError, match="image 9"):
        find_fates(truth(), [handmade()._replace(image_id=9)])


def test_report_has_numbers_a_plot_and_pictures_of_the_three_largest_causes(tmp_path):
    save_record(tmp_path / "records", handmade())
    fates = find_fates(truth(), load_records(tmp_path / "records"))
    assert [fate.cause for fate in fates] == list(EXPECTED)  # crowds are left out
    picture = np.full((SIZE, SIZE, 3), 128, dtype=np.uint8)
    out = tmp_path / "report"
    summary = write_attribution(out, fates, truth(), tmp_path / "records", lambda _: picture)
    assert summary["all"]["merged"] == pytest.approx(200 / 13)
    written = json.loads((out / "attribution.json").read_text())
    assert written["percent"]["all"] == summary["all"]
    assert len(written["objects"]) == len(OBJECTS)
    table = (out / "attribution.md").read_text()
    assert "| all | 13 | 7.7 % |" in table
    assert all(f"- {fate}: " in table for fate in (FOUND, *CAUSES))
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert pictures == ["attribution.png", "classification_1.png", "joined_1.png", "merged_1.png"]
    assert all((out / name).stat().st_size > 5000 for name in pictures)
