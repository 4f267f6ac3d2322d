"""tools/train_net.py --eval-only: Zip and an evaluator's table over a COCO-format data set."""

import json
from pathlib import Path

import numpy as np
import pytest
from detectron2.data.datasets import register_coco_instances
from detectron2.data.datasets.lvis import get_lvis_instances_meta, register_lvis_instances
from detectron2.data.datasets.lvis_v1_categories import LVIS_CATEGORIES
from detectron2.engine import default_argument_parser
from PIL import Image
from pycocotools.coco import COCO
from tests.processes import command
from tests.references.coco_evaluation import lvis_metrics, pycocotools_metrics

from zipseg.data.names import NamesError
from zipseg.engine.main import main
from zipseg.utils.errors import ConfigError

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "configs" / "Test" / "zip_tiny_random.yaml")
READABLE = ("good.png", "gray.png", "cmyk.jpg", "rgba.png", "deep.png", "exif.jpg")


@pytest.fixture
def quirky(tmp_path, picture):
    """A data set without ``info`` and ``licenses``, with a crowd region, every kind of image that
    COCO's users meet, and images missing, empty, cut, huge and mismatched."""
    upright, rgb = Image.Exif(), Image.fromarray(picture)
    upright[0x0112] = 6  # to be turned by 90 degrees clockwise
    rgb.save(tmp_path / "good.png")
    rgb.convert("L").save(tmp_path / "gray.png")
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg")
    rgb.convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(picture[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    rgb.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "exif.jpg", exif=upright)
    rgb.crop((0, 0, 1, 1)).save(tmp_path / "dot.png")
    rgb.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png")
    rgb.resize((400, 300)).save(tmp_path / "huge.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:300])
    (tmp_path / "empty.png").touch()
    files = [*READABLE, "dot.png", "missing.png", "cut.png", "empty.png", "turned.png", "huge.png"]
    sizes = {"dot.png": (1, 1), "huge.png": (400, 300)}
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 5, "bbox": [10, 10, 30, 20], "area": 600,
         "iscrowd": 0, "segmentation": [[10, 10, 40, 10, 40, 30, 10, 30]]},
        {"id": 2, "image_id": 1, "category_id": 9, "bbox": [0, 0, 80, 60], "area": 4800,
         "iscrowd": 1, "segmentation": {"size": [60, 80], "counts": [0, 4800]}},
    ]  # fmt: skip
    content = {
        "images": [
            {"id": i + 1, "file_name": name, "width": width, "height": height}
            for i, name in enumerate(files)
            for width, height in [sizes.get(name, (80, 60))]
        ],
        "annotations": annotations,
        "categories": [{"id": 5, "name": "cup"}, {"id": 9, "name": "crowd of cups"}],
    }
    path = tmp_path / "quirky.json"
    path.write_text(json.dumps(content))
    name = f"quirky_{tmp_path.name}"
    register_coco_instances(name, {}, str(path), str(tmp_path))
    return name


def run(*options):
    return main(default_argument_parser().parse_args(["--config-file", TINY, *map(str, options)]))


def test_quirks_of_coco_files_are_survived_and_reported(quirky, tmp_path, capfd):
    options = ("DATASETS.TEST", f"('{quirky}',)", "OUTPUT_DIR", tmp_path / "out")
    results = run("--eval-only", *options, "INPUT.MAX_PIXELS", 100_000)
    assert set(results) == {"bbox", "segm"}
    assert {"AP", "AP50", "APs", "AR@100"} <= set(results["segm"])
    log = "".join(capfd.readouterr())
    for message in (
        "missing.png: no such file",
        "cut.png: cannot be decoded",
        "empty.png: the file is empty",
        "turned.png: is 60 x 80, but its annotations say 80 x 60",
        "huge.png: 400 x 300 is more than 100,000 pixels",
        "5 images were skipped",
    ):
        assert message in log
    truth = COCO(str(tmp_path / "quirky.json"))
    found = truth.loadRes(
        str(tmp_path / "out" / "inference" / quirky / "coco_instances_results.json")
    )
    readable = set(range(1, len(READABLE) + 1))
    assert readable <= {a["image_id"] for a in found.anns.values()} <= {*readable, 7}
    assert {a["category_id"] for a in found.anns.values()} <= {5, 9}


@pytest.mark.parametrize("name", ["Zip", "SamAlone"])
def test_training_zip_points_to_the_trainer(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"ARCHITECTURE: {name} is training-free.*--eval-only"):
        run("OUTPUT_DIR", tmp_path, "MODEL.META_ARCHITECTURE", name)


def test_sam_alone_passes_over_the_same_images(quirky, tmp_path, capfd):
    options = ("MODEL.META_ARCHITECTURE", "SamAlone", "MODEL.SAM_ALONE.POINTS_PER_SIDE", 2)
    options += ("DATASETS.TEST", f"('{quirky}',)", "OUTPUT_DIR", tmp_path / "out")
    run("--eval-only", *options, "INPUT.MAX_PIXELS", 100_000)
    assert "5 images were skipped" in "".join(capfd.readouterr())


def test_other_categories_than_the_models_are_refused(quirky, tmp_path):
    options = ("DATASETS.TEST", f"('{quirky}', 'coco_2017_val')", "OUTPUT_DIR", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"'coco_2017_val' has 80 categories .* 2 names"):
        run("--eval-only", *options)
    with pytest.raises(NamesError, match=r"CLASS_NAMES: are 3 names and the data set .* has 2"):
        run("--eval-only", *options, "MODEL.ZIP.CLASS_NAMES", "['a', 'b', 'c']")


def test_the_command_explains_mistakes_without_a_traceback(tmp_path):
    config = ["--config-file", "COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml"]
    options = ["MODEL.ZIP.SEGMENTER.WEIGHTS", "/none.pt", "OUTPUT_DIR", str(tmp_path)]
    process = command(["train", "--eval-only", *config, *options], tmp_path / "log")
    process.join()
    assert process.exitcode == 2
    text = (tmp_path / "log").read_text()
    assert "error: MODEL.ZIP.SEGMENTER.WEIGHTS: '/none.pt' is neither an existing file" in text
    assert "Traceback" not in text


@pytest.fixture(scope="module")
def three_photographs(photographs, tmp_path_factory):
    """COCO's annotations of three real photographs, as a dict."""
    content = json.loads((photographs / "annotations" / "instances_val2017.json").read_text())
    content["images"] = content["images"][:3]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    return content


def test_every_protocol_on_real_photographs(photographs, three_photographs, tmp_path):
    (tmp_path / "three.json").write_text(json.dumps(three_photographs))
    folder = str(photographs / "val2017")
    register_coco_instances("three_photographs", {}, str(tmp_path / "three.json"), folder)
    protocols = "('coco', 'class_agnostic', 'open_vocabulary')"
    options = "EVALUATION.PROTOCOLS", protocols, "OUTPUT_DIR", tmp_path
    results = run("--eval-only", "DATASETS.TEST", "('three_photographs',)", *options)
    predictions = tmp_path / "inference" / "three_photographs" / "coco_instances_results.json"
    found = json.loads(predictions.read_text())
    assert found
    for task in ("bbox", "segm"):
        reference = pycocotools_metrics(three_photographs, found, task)
        assert results[task]["AP"] == pytest.approx(reference["AP"], abs=1e-6)
        caps = {f"AR@{cap}" for cap in (1, 10, 100, 1000)}
        assert {"AP", "AP50", *caps} <= results[f"{task}_class_agnostic"].keys()
        assert {"AP50_novel", "AP50_base"} <= results[f"{task}_open_vocabulary"].keys()


def test_lvis_with_its_1203_names_on_real_photographs(
    photographs, three_photographs, tmp_path, monkeypatch
):
    """COCO's objects under LVIS's ids and in LVIS's format, which has no file names."""
    categories = LVIS_CATEGORIES
    images = [
        {
            **{key: image[key] for key in ("id", "height", "width")},
            "coco_url": f"http://images.cocodataset.org/val2017/{image['file_name']}",
            "neg_category_ids": [1200, 1201],
            "not_exhaustive_category_ids": [],
        }
        for image in three_photographs["images"]
    ]
    annotations = [
        {key: a[key] for key in ("id", "image_id", "category_id", "bbox", "area", "segmentation")}
        for a in three_photographs["annotations"]
        if not a["iscrowd"]
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "lvis.json").write_text(json.dumps(content))
    name, meta = "lvis_v1_photographs", get_lvis_instances_meta("lvis_v1")
    register_lvis_instances(name, meta, str(tmp_path / "lvis.json"), f"{photographs}/")
    results = run(
        "--eval-only",
        *("DATASETS.TEST", f"('{name}',)", "EVALUATION.PROTOCOLS", "('lvis',)"),
        *("TEST.DETECTIONS_PER_IMAGE", 300, "OUTPUT_DIR", tmp_path),
    )
    assert results.keys() == {"bbox_lvis", "segm_lvis"}
    found = json.loads((tmp_path / "inference" / name / "coco_instances_results.json").read_text())
    assert found
    for task, metrics in results.items():
        assert {"AP", "APr", "APc", "APf", "AR@300"} <= metrics.keys()
        reference = lvis_metrics(content, found, task.split("_")[0], tmp_path, monkeypatch)
        assert metrics["AP"] == pytest.approx(reference["AP"], abs=1e-6)
    assert {each["category_id"] for each in found} <= set(range(1, 1204))
