"""Files as users of this field have them, each with the right outcome of the command."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_util
from tests.tools.odd_files import RESULTS, TRUTH, edited, every, rectangle, rle, scored, written
from tools import evaluate, make_label_splits, merge_pseudo_labels
from tools import report as report_tool

from zipseg.data.coco_format import read_labels
from zipseg.visualization.report_data import compare


def numbers(tmp_path, truth, results):
    """Metrics of the evaluation by task, through the command."""
    written(tmp_path / "truth.json", truth)
    written(tmp_path / "results.json", results)
    call = [str(tmp_path / name) for name in ("truth.json", "results.json")]
    evaluate.main([*call, "--output", str(tmp_path / "out")])
    return json.loads((tmp_path / "out" / "evaluation.json").read_text())["results"]


def refusal(tool, call, capsys):
    """The one line that a command ends with, exit code 2."""
    with pytest.raises(SystemExit) as caught:
        tool.main([str(word) for word in call])
    assert caught.value.code == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    return line


def no_evaluation(tmp_path, capsys, truth=TRUTH, results=RESULTS):
    written(tmp_path / "truth.json", truth)
    written(tmp_path / "results.json", results)
    call = [tmp_path / "truth.json", tmp_path / "results.json", "--output", tmp_path / "out"]
    return refusal(evaluate, call, capsys)


def first(truth, **fields):
    return edited(truth, lambda t: t["annotations"][0].update(fields))


def uncompressed(result):
    flat = mask_util.decode(result["segmentation"]).ravel(order="F")
    edges = np.flatnonzero(np.diff(np.r_[0, flat, 0]))
    counts = np.diff(np.r_[0, edges, len(flat)]).tolist()
    result["segmentation"] = {"size": result["segmentation"]["size"], "counts": counts}


READ = {
    "null_area": (every(TRUTH, area=None), RESULTS, "3 areas missing"),
    "empty_bbox": (every(TRUTH, bbox=[]), RESULTS, "3 boxes missing or empty"),
    "polygon_results": (
        TRUTH,
        [{**r, "segmentation": a["segmentation"]}
         for r, a in zip(RESULTS, TRUTH["annotations"], strict=True)],
        "3 results with polygons",
    ),
    "uncompressed_results": (
        TRUTH,
        edited(RESULTS, lambda results: [uncompressed(r) for r in results]),
        "3 results with uncompressed RLE",
    ),
    "mixed_masks": (
        TRUTH,
        edited(RESULTS, lambda r: r[1].pop("segmentation")),
        "1 objects without a mask among those with one",
    ),
    "empty_polygon": (first(TRUTH, segmentation=[[]]), RESULTS, "1 polygon parts"),
    "two_point_polygon": (
        edited(TRUTH, lambda t: t["annotations"][1].update(segmentation=[[10, 10, 30, 30]])),
        RESULTS,
        "1 polygon parts",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_evaluation_reads_it_with_one_warning(case, tmp_path, warnings):
    truth, results, told = READ[case]
    found = numbers(tmp_path, truth, results)
    assert len(warnings) == 1
    assert told in warnings[0]
    for task in ("bbox", "segm"):
        assert found[task]["AP"] == pytest.approx(100), task
    # Objects of 300, 400 and 225 pixels are small ones: they count in no other size.
    assert found["segm"]["APs"] == pytest.approx(100)
    assert found["segm"]["APm"] is found["segm"]["APl"] is None


REFUSED = {
    "negative_box": (
        first(TRUTH, bbox=[25, 20, -20, -15]),
        RESULTS,
        r"truth.json: annotations[0]: bbox [25, 20, -20, -15] has a negative size",
    ),
    "result_rle_other_size": (
        TRUTH,
        [{**RESULTS[0], "segmentation": rle(rectangle(10, 10, 40, 30), [96, 128])}, *RESULTS[1:]],
        "results.json: result 0: segmentation is RLE of size [96, 128], but its image is [48, 64]",
    ),
    "two_categories_same_name": (
        edited(TRUTH, lambda t: t["categories"][1].update(name="cat")),
        RESULTS,
        "truth.json: categories[1]: name cat is used twice",
    ),
    "duplicate_image_ids": (
        edited(TRUTH, lambda t: t["images"][1].update(id=1)),
        RESULTS,
        "truth.json: images[1]: id 1 is used twice",
    ),
    "string_image_ids": (
        edited(TRUTH, lambda t: t["images"][0].update(id="img_a")),
        RESULTS,
        "truth.json: images[0]: id 'img_a' is no whole number",
    ),
    "no_size": (
        edited(TRUTH, lambda t: [t["images"][0].pop(key) for key in ("width", "height")]),
        RESULTS,
        "truth.json: images[0]: height is None, not a number of pixels",
    ),
    "results_without_score": (
        TRUTH,
        every(RESULTS, score=...),
        "results.json: result 0: has no score",
    ),
    "results_an_object": (
        TRUTH,
        {"annotations": RESULTS},
        'results.json: has no list "images"; results are a list of objects with image_id',
    ),
    "unlisted_image": (TRUTH, every(RESULTS, image_id=7), "result 0: image_id 7 is not among"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_evaluation_refuses_it_by_entry_and_field(case, tmp_path, capsys):
    truth, results, told = REFUSED[case]
    assert told in no_evaluation(tmp_path, capsys, truth, results)


def test_labels_and_predictions_are_results_as_they_are(tmp_path):
    """With other ids, another order, and folders of their own."""
    labels = scored(TRUTH)
    labels["images"] = [
        dict(image, id=image["id"] + 6, file_name=f"/home/me/in/{image['file_name']}")
        for image in reversed(labels["images"])
    ]
    labels["categories"] = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    for annotation in labels["annotations"]:
        annotation["image_id"] += 6
        annotation["category_id"] = 3 - annotation["category_id"]
    found = numbers(tmp_path, TRUTH, labels)
    assert found["bbox"]["AP"] == found["segm"]["AP"] == pytest.approx(100)


def test_images_that_were_never_looked_at_are_counted(tmp_path, caplog):
    labels = scored(TRUTH)
    first = labels["images"].pop(0)["id"]
    labels["annotations"] = [a for a in labels["annotations"] if a["image_id"] != first]
    found = numbers(tmp_path, TRUTH, labels)
    assert found["segm"]["AP"] < 100
    assert "1 images of the annotations are not listed, as if nothing was found" in caplog.text


def test_splits_refuse_labels_without_a_category(tmp_path, capsys):
    path = written(tmp_path / "labels.json", every(scored(TRUTH), category_id=...))
    line = refusal(make_label_splits, [path, "--percent", 50, "--output", tmp_path], capsys)
    assert "labels.json: annotations[0]: has no category_id" in line


def test_merging_refuses_images_of_two_sizes(tmp_path, capsys):
    new = edited(scored(TRUTH), lambda t: [i.update(width=128, height=96) for i in t["images"]])
    call = [written(tmp_path / "new.json", new), written(tmp_path / "old.json", scored(TRUTH))]
    line = refusal(merge_pseudo_labels, [*call, tmp_path / "out.json"], capsys)
    assert "a.jpg is [96, 128] (height, width) in the new labels and [48, 64] in the prev" in line
    assert not (tmp_path / "out.json").exists()


def test_merging_matches_images_by_name_where_ids_differ(tmp_path):
    other = edited(scored(TRUTH), lambda t: t["images"].reverse())
    for content in (other["images"], other["annotations"]):
        for entry in content:
            key = "image_id" if "image_id" in entry else "id"
            entry[key] = 3 - entry[key]
    call = [written(tmp_path / "a.json", scored(TRUTH)), written(tmp_path / "b.json", other)]
    assert merge_pseudo_labels.main([str(x) for x in [*call, tmp_path / "out.json"]]) == 0
    merged = read_labels(tmp_path / "out.json")
    assert len(merged["annotations"]) == 3  # the previous ones all overlap new ones
    assert len(merged["images"]) == 2


def test_images_of_one_base_name_are_told_apart(tmp_path, capsys):
    """Three folders with a frame_000000.png each, as CVAT exports them."""
    names = [f"task{n}/frame_000000.png" for n in (1, 2, 3)]
    boxes = [(5, 5, 20, 15), (10, 10, 20, 20), (30, 20, 25, 15)]
    labels = {
        "images": [
            {"id": n, "file_name": name, "height": 48, "width": 64} for n, name in enumerate(names)
        ],
        "categories": TRUTH["categories"],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "score": 0.9, "bbox": list(box),
             "segmentation": rle(rectangle(*box))}
            for n, box in enumerate(boxes)
        ],
    }  # fmt: skip
    truth = edited(
        labels,
        lambda t: [image.update(file_name=f"images/{image['file_name']}") for image in t["images"]],
    )
    for shift in (0, 5):  # the same ids, and others
        for image in truth["images"]:
            image["id"] += shift
        for annotation in truth["annotations"]:
            annotation["image_id"] += shift
        paths = [written(tmp_path / f"{n}.json", x) for n, x in enumerate((labels, truth))]
        found = compare(*map(read_labels, paths), "truth.json")
        assert found.metrics[1] == ("AP", "100.0", "100.0")
        assert set(found.quality.values()) == {1.0}
    for image in truth["images"]:
        image["file_name"] = image["file_name"].rpartition("/")[2]
    written(tmp_path / "labels.json", labels)
    path = written(tmp_path / "truth.json", truth)
    line = refusal(report_tool, [tmp_path, "--truth", path], capsys)
    assert "frame_000000.png" in line
    assert "give the files the same ids" in line


def test_overlays_of_thin_and_long_pictures_can_be_written():
    """4000 x 3 pixels became a drawing of 426,000 x 320, and 12 GB of memory."""
    from detectron2.data import Metadata
    from detectron2.structures import Boxes, Instances

    from zipseg.visualization.overlays import as_jpeg, draw_instances

    for height, width in ((4000, 3), (2, 70_000)):
        nothing = Instances((height, width), pred_boxes=Boxes(np.zeros((0, 4))))
        nothing.scores, nothing.pred_classes = np.zeros(0), np.zeros(0, int)
        picture = np.zeros((height, width, 3), np.uint8)
        drawing = draw_instances(picture, nothing, Metadata(thing_classes=["a"]))
        assert drawing.size < 3 * (1 << 20)
        assert as_jpeg(Image.fromarray(drawing))
