"""Whatever mixture of repairs a file needs, the numbers are pycocotools' on the right file; and
whatever else a file holds, it is read or refused in one line."""

import contextlib
import copy
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tests.labeling.corpus import GOOD, PLACES, VALUES, changed

from zipseg.data.coco_format import check_masks, read_results, read_truth
from zipseg.evaluation.protocols import evaluate
from zipseg.utils.errors import ZipSegError

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR@1", "AR@10", "AR@100")
NAMES += tuple(f"AR{size}@100" for size in "sml")


def compressed(polygons, size):
    rle = mask_util.merge(mask_util.frPyObjects(polygons, *size))
    return {"size": list(size), "counts": rle["counts"].decode()}


def uncompressed(rle):
    flat = np.r_[0, mask_util.decode(rle).ravel(order="F"), 0]
    edges = np.flatnonzero(np.diff(flat))
    height, width = rle["size"]
    counts = np.diff(np.r_[0, edges, height * width]).tolist() if len(edges) else [height * width]
    return {"size": rle["size"], "counts": counts}


def right_files(rng):
    """A truth and results that need no repair; integer boxes are those of the masks."""
    sizes = [tuple(int(v) for v in rng.integers(24, 130, 2)) for _ in range(rng.integers(1, 4))]
    images = [
        {"id": 3 * i + 2, "file_name": f"set/{i}.jpg", "height": h, "width": w}
        for i, (h, w) in enumerate(sizes)
    ]
    categories = [{"id": 5 * i + 1, "name": f"thing {i}"} for i in range(3)]
    annotations, results = [], []
    for image, size in zip(images, sizes, strict=True):
        for _ in range(rng.integers(0, 5)):
            polygon = shape(rng, size)
            rle = compressed([polygon], size)
            category = int(rng.integers(0, 3)) * 5 + 1
            ids = {"image_id": image["id"], "category_id": category}
            annotations.append(
                {
                    **ids,
                    "id": len(annotations) + 1,
                    "segmentation": [polygon] if rng.random() < 0.7 else rle,
                    "bbox": mask_util.toBbox(rle).tolist(),
                    "area": float(mask_util.area(rle)),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
            for _ in range(rng.integers(0, 3)):
                shift = rng.integers(-3, 4, 2).tolist() * (len(polygon) // 2)
                found = compressed([[a + b for a, b in zip(polygon, shift, strict=True)]], size)
                score = round(float(rng.random()), 2)
                box = mask_util.toBbox(found).tolist()
                results.append({**ids, "score": score, "bbox": box, "segmentation": found})
    truth = {"images": images, "categories": categories, "annotations": annotations}
    return truth, results


def shape(rng, size):
    h, w = size
    x0, y0 = int(rng.integers(0, w - 8)), int(rng.integers(0, h - 8))
    x1, y1 = int(rng.integers(x0 + 4, w)), int(rng.integers(y0 + 4, h))
    if rng.random() < 0.5:
        return [x0, y0, x1, y0, x1, y1, x0, y1]
    return [x0, y0, x1, y0, x1, y1]


def spelled(number, rng):
    """An id in one of the ways that are read."""
    ways = (number, number, float(number), str(number), f"{number:06d}", f" {number}.0")
    return ways[rng.integers(len(ways))]


def spoil(truth, results, rng):
    """Both with damages that the rules mend, each entry by itself."""
    for entry in (*truth["images"], *truth["categories"]):
        entry["id"] = spelled(entry["id"], rng)
    for annotation in truth["annotations"]:
        spoil_annotation(annotation, rng)
    for result in results:
        spoil_entry(result, rng)
    if rng.random() < 0.3:
        return as_labels(truth, results, rng)
    return results


def spoil_entry(entry, rng):
    for key in ("image_id", "category_id"):
        entry[key] = spelled(entry[key], rng)
    if rng.random() < 0.3:
        entry["bbox"] = [None, []][rng.integers(2)]
    elif rng.random() < 0.3:
        del entry["bbox"]
    mask = entry["segmentation"]
    if isinstance(mask, dict):
        if rng.random() < 0.4:
            entry["segmentation"] = uncompressed(mask)
        return
    kind = rng.random()
    if kind < 0.2:
        entry["segmentation"] = mask[0]
    elif kind < 0.4:
        entry["segmentation"] = [list(p) for p in zip(mask[0][::2], mask[0][1::2], strict=True)]
    elif kind < 0.6:
        entry["segmentation"] = [[], [1, 1, 5, 5], *mask, [2.5, 3]]


def spoil_annotation(annotation, rng):
    spoil_entry(annotation, rng)
    annotation["id"] = spelled(annotation["id"], rng)
    if rng.random() < 0.3:
        annotation["area"] = None
    elif rng.random() < 0.3:
        del annotation["area"]
    crowd = annotation["iscrowd"]
    choices = [crowd, bool(crowd), str(crowd), str(bool(crowd)).lower()] + [None] * (not crowd)
    annotation["iscrowd"] = choices[rng.integers(len(choices))]
    if annotation["iscrowd"] is None and rng.random() < 0.5:
        del annotation["iscrowd"]


def as_labels(truth, results, rng):
    """The results as a file of labels with ids and an order of its own."""
    images = [dict(image, id=100 + n, file_name=f"/data/{image['file_name']}")
              for n, image in enumerate(reversed(truth["images"]))]  # fmt: skip
    categories = [dict(c, id=50 + n) for n, c in enumerate(reversed(truth["categories"]))]
    image_of, category_of = (
        {int(float(a["id"])): b["id"] for a, b in zip(reversed(truth[key]), new, strict=True)}
        for key, new in (("images", images), ("categories", categories))
    )
    annotations = [
        {
            **result,
            "image_id": spelled(image_of[int(float(result["image_id"]))], rng),
            "category_id": spelled(category_of[int(float(result["category_id"]))], rng),
        }
        for result in results
    ]
    return {"images": images, "categories": categories, "annotations": annotations}


def reference(truth, results, iou_type):
    other = "bbox" if iou_type == "segm" else "segmentation"
    results = [{k: v for k, v in result.items() if k != other} for result in results]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [math.nan if value == -1 else value * 100 for value in evaluation.stats]


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32))
def test_any_mixture_of_repairs_gives_pycocotools_numbers(seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    truth, results = right_files(rng)
    if not results:
        return
    expected = {kind: reference(truth, results, kind) for kind in ("bbox", "segm")}
    folder = tmp_path_factory.getbasetemp() / "mixtures"
    folder.mkdir(exist_ok=True)
    spoiled = spoil(truth, results, rng)
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(spoiled))
    ground = read_truth(folder / "truth.json")
    found = read_results(folder / "results.json", ground)
    check_masks(found)
    for kind, numbers in expected.items():
        metrics = evaluate("coco", ground, found, kind).metrics
        got = [metrics[name] for name in NAMES]
        assert got == pytest.approx(numbers, abs=1e-9, rel=0, nan_ok=True), kind


@settings(max_examples=250)
@given(place=st.sampled_from(PLACES), value=VALUES, both=st.booleans())
def test_whatever_a_field_holds_it_is_evaluated_or_named(place, value, both, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "evaluated"
    folder.mkdir(exist_ok=True)
    odd = changed(place, value)
    truth = odd if both else GOOD
    scored = copy.deepcopy(odd)
    with contextlib.suppress(TypeError, AttributeError, KeyError, IndexError):
        scored["annotations"][0].setdefault("score", 0.5)
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(scored))
    try:
        ground = read_truth(folder / "truth.json")
        found = read_results(folder / "results.json", ground)
        if found.masks is not None:
            check_masks(found)
    except ZipSegError as error:
        message = str(error)
        assert str(folder) in message
        assert "\n" not in message
        return
    for kind in ("bbox", "segm") if found.masks is not None else ("bbox",):
        assert set(NAMES) <= evaluate("coco", ground, found, kind).metrics.keys()
