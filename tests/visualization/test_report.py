"""The HTML report: what it says, and how it works in a browser without a network."""

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_util
from tests.visualization import browser
from tools import report as report_tool

from zipseg.data.coco_format import write_labels
from zipseg.utils.errors import ZipSegError
from zipseg.visualization import report
from zipseg.visualization.report import write_report
from zipseg.visualization.report_data import choose_images, compare
from zipseg.zipworld.scenes import CATEGORY_NAMES, render_scene

NASTY = '</script><img src="http://example.invalid/x.png">'
IMAGES = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder as a labelling run leaves it: ZipWorld's truth, a fifth of it missing or wrong."""
    output = tmp_path_factory.mktemp("run")
    images = output / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    records, truth, labels = [], [], []
    for i in range(1, IMAGES + 1):
        scene = render_scene(i)
        cv2.imwrite(str(images / f"{i}.png"), scene.image[:, :, ::-1])
        records.append({"id": i, "file_name": f"{i}.png", "height": 256, "width": 256})
        for mask, category in zip(scene.masks, scene.categories, strict=True):
            rle = mask_util.encode(np.asfortranarray(mask, np.uint8))
            entry = {
                "id": len(truth) + 1,
                "image_id": i,
                "category_id": int(category) + 1,
                "bbox": mask_util.toBbox(rle).tolist(),
                "area": int(mask_util.area(rle)),
                "iscrowd": 0,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
            }
            truth.append(entry)
            if i != 5 and rng.random() > 0.2:
                labels.append({**entry, "score": float(rng.uniform(0.3, 1))})
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORY_NAMES, 1)]
    categories.append({"id": 1000, "name": NASTY})
    content = {"images": records, "categories": categories}
    provenance = {"source": {"name": "folder", "root": str(images)}}
    info = {"provenance": provenance, "date_created": "2026-01-01"}
    write_labels(output / "labels.json", {**content, "info": info, "annotations": labels})
    # Other ids than the labels' own: images are matched by name.
    renamed = {
        "images": [{**r, "id": r["id"] + 100} for r in records],
        "categories": categories,
        "annotations": [{**a, "image_id": a["image_id"] + 100} for a in truth],
    }
    write_labels(output / "truth.json", renamed)
    failures = [{"id": 99, "file_name": "broken.jpg", "reason": "broken.jpg: the file is empty"}]
    (output / "failures.json").write_text(json.dumps(failures))
    timeline = {"start": 0.0, "end": 120.0, "images": [1, 2, 3, 6]}
    speed = {"elapsed_seconds": 120.0, "images_per_second": 0.1, "timeline": timeline}
    (output / "summary.json").write_text(json.dumps({"throughput": speed}))
    return output


def data_of(page: Path) -> dict:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*)</script>', page.read_text()
    )
    return json.loads(text)


def test_the_numbers_are_those_of_the_files(run):
    labels = json.loads((run / "labels.json").read_text())
    page = data_of(write_report(run, run / "truth.json"))
    count = len(labels["annotations"])
    assert [f"{IMAGES}", "images labelled"] in page["tiles"]
    assert [f"{count}", "labels"] in page["tiles"]
    scores, sizes, per_image, time = page["charts"]
    assert sum(scores["values"]) == sum(sizes["values"]) == count
    assert sum(per_image["values"]) == sum(time["values"]) == IMAGES
    assert sum(c["labels"] for c in page["categories"]) == count
    assert page["failures"] == 1
    assert sum(len(image["shapes"]) for image in page["gallery"]) == count
    assert [image["file"] for image in page["gallery"] if "reason" in image] == ["broken.jpg"]


def test_comparison_with_the_truth(run):
    labels, truth = (json.loads((run / n).read_text()) for n in ("labels.json", "truth.json"))
    perfect = {**labels, "annotations": []}
    perfect["annotations"] = [
        {**a, "image_id": a["image_id"] - 100, "score": 1.0} for a in truth["annotations"]
    ]
    found = compare(perfect, truth, "truth")
    assert found.metrics[1] == ("AP", "100.0", "100.0")
    assert set(found.quality.values()) == {1.0}
    found = compare(labels, truth, "truth")
    assert 50 < float(found.metrics[1][2]) < 100
    assert min(found.quality, key=found.quality.get) == 5
    assert found.quality[5] == 0.0
    with pytest.raises(ZipSegError, match="its images are not those of the annotations"):
        compare(labels, {**truth, "images": [], "annotations": []}, "truth")


def test_the_gallery_holds_the_worst_the_best_and_a_cross_section():
    labels = {
        "images": [{"id": i} for i in range(1000)],
        "annotations": [
            {"image_id": 17, "category_id": 1, "score": 0.9},
            {"image_id": 18, "category_id": 1, "score": 0.8},
        ],
    }
    chosen = choose_images(labels, 30, dict.fromkeys(range(1000), 1.0) | {333: 0.0})
    assert len(chosen) == len(set(chosen)) == 30
    assert {17, 333} <= set(chosen)
    assert max(np.diff(chosen)) < 120
    assert choose_images(labels, 5000, {}) == list(range(1000))


def test_images_that_are_gone_leave_a_note(run, tmp_path):
    page = data_of(write_report(run, images=tmp_path, gallery=3))
    assert all("no such file" in image["reason"] for image in page["gallery"][:3])


def test_unusable_files_are_named(run, tmp_path, capsys):
    (tmp_path / "labels.json").write_text((run / "labels.json").read_text())
    (tmp_path / "failures.json").write_text("{}")
    with pytest.raises(ZipSegError, match=r"failures\.json: not the file"):
        write_report(tmp_path)
    (tmp_path / "failures.json").write_text("[")
    with pytest.raises(SystemExit):
        report_tool.main([str(tmp_path)])
    assert "failures.json: not a JSON file" in capsys.readouterr().err


@pytest.mark.skipif(browser.find() is None, reason="no chromium here (README, Development)")
@pytest.mark.parametrize(
    ("name", "width", "height"), [("desktop", 1280, 1500), ("phone", 390, 2400)]
)
def test_in_a_browser(name, width, height, run, tmp_path):
    path = write_report(run, run / "truth.json")
    shots = Path(os.environ.get("ZIPSEG_SCREENSHOTS", tmp_path))
    page = browser.Page(width, height, tmp_path / "profile")
    try:
        page.open(path.as_uri())
        assert page.run("document.documentElement.scrollWidth") <= width
        cards = "document.querySelectorAll('#grid figure').length"
        assert page.run(cards) == IMAGES + 1
        page.screenshot(shots / f"report-{name}.png")

        page.run("set('show', 'failures')")
        assert page.run(cards) == 1
        assert "the file is empty" in page.run("document.getElementById('grid').textContent")
        page.run("set('show', 'all'); set('sort', 'worst')")
        assert page.run("document.querySelector('figcaption div').textContent") == "5.png"

        page.run("set('sort', 'file'); document.querySelector('.bar').click()")
        chosen = page.run("state.category")
        assert 0 < page.run(cards) < IMAGES
        fills = "[...document.querySelectorAll('path.m')].map(p => p.getAttribute('fill'))"
        assert len(set(page.run(fills))) == 1
        masks = page.run("document.querySelectorAll('path.m').length")
        page.run("const s = $('score'); s.value = 0.7; s.dispatchEvent(new Event('input'))")
        assert 0 < page.run("document.querySelectorAll('path.m').length") < masks
        assert f"category={chosen}" in page.run("location.hash")
        page.run("set('score', 0); set('category', ''); $('truth').click()")
        assert page.run("document.querySelectorAll('path.t').length") > masks
        page.run("document.querySelector('figure').click()")
        assert page.run("document.querySelector('dialog').open")
        page.screenshot(shots / f"report-{name}-enlarged.png")

        assert not page.errors
        local = ("file:", "data:image/jpeg", "about:")
        assert [url for url in page.requests if not url.startswith(local)] == []
    finally:
        page.close()


@pytest.mark.skipif(browser.find() is None, reason="no chromium here (README, Development)")
@pytest.mark.parametrize(
    ("used", "unused", "said"),
    [
        (43, 2, "and 3 more categories, 2 without labels"),
        (41, 0, "and 1 more category"),
        (5, 36, "and 1 without labels"),
        (40, 0, None),
    ],
)
def test_categories_that_are_not_listed_are_counted(used, unused, said, tmp_path):
    categories = [{"id": i, "name": f"name {i}"} for i in range(1, used + unused + 1)]
    image = {"id": 1, "file_name": "gone.png", "height": 40, "width": 40}
    entry = {"image_id": 1, "bbox": [1, 1, 8, 8], "area": 64, "iscrowd": 0, "score": 0.5}
    labels = [{**entry, "id": i, "category_id": i} for i in range(1, used + 1)]
    content = {"info": {}, "images": [image], "categories": categories, "annotations": labels}
    write_labels(tmp_path / "labels.json", content)
    page = browser.Page(800, 600, tmp_path / "profile")
    try:
        page.open(write_report(tmp_path, images=tmp_path).as_uri())
        assert page.run("document.querySelectorAll('.bar').length") == min(used + unused, 40)
        last = page.run("document.querySelector('#categories').lastElementChild.textContent")
        assert last == said if said else "more" not in last
    finally:
        page.close()


@pytest.mark.skipif(browser.find() is None, reason="no chromium here (README, Development)")
@pytest.mark.parametrize("width", [1280, 390])
def test_names_of_categories_are_whole(width, tmp_path):
    names = ["cat", "white marbled cushion", "yellow marbled cushion"]
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    image = {"id": 1, "file_name": "gone.png", "height": 40, "width": 40}
    content = {"info": {}, "images": [image], "categories": categories, "annotations": []}
    write_labels(tmp_path / "labels.json", content)
    page = browser.Page(width, 900, tmp_path / "profile")
    try:
        page.open(write_report(tmp_path, images=tmp_path).as_uri())
        hidden = (
            "[...document.querySelectorAll('.bar span')].map(e => e.scrollWidth - e.clientWidth)"
        )
        assert page.run(hidden) == [0, 0, 0]
        assert page.run("document.documentElement.scrollWidth") <= width
    finally:
        page.close()


def test_the_header_names_config_and_weights():
    networks = {
        "SEMANTIC": {"ARCH": "ViT-B-16", "WEIGHTS": "openai"},
        "BOUNDARY": {"ARCH": "RN50", "WEIGHTS": "openai"},
        "SEGMENTER": {"TYPE": "vit_b", "WEIGHTS": "auto"},
    }
    made = {"info": {"date_created": "2026-01-01"}}
    provenance = {
        "source": {"name": "folder /photos"},
        "config": {"MODEL": {"META_ARCHITECTURE": "Zip", "WEIGHTS": "", "ZIP": networks}},
        "command": "zipseg label --config-file COCO/zip.yaml /photos --names n.txt",
    }
    assert report._subtitle(made, provenance) == (
        "folder /photos · Zip · COCO/zip.yaml · ViT-B-16/openai, RN50/openai, vit_b/auto · "
        "2026-01-01"
    )
    provenance["config"]["MODEL"] |= {"META_ARCHITECTURE": "GeneralizedRCNN", "WEIGHTS": "m.pth"}
    assert "GeneralizedRCNN · COCO/zip.yaml · m.pth" in report._subtitle(made, provenance)
    assert report._subtitle(made, None) == "2026-01-01"


def test_a_file_without_images_has_a_report(tmp_path):
    nothing = {"images": [], "categories": [], "annotations": []}
    write_labels(tmp_path / "labels.json", nothing)
    assert write_report(tmp_path).exists()
