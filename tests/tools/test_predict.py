"""zipseg predict: a stranger's folder to a COCO file and overlays; images of any kind."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from PIL import Image
from pycocotools.coco import COCO

from zipseg.cli.main import main
from zipseg.data.images import find_images, read_image, to_pixels
from zipseg.data.inputs import InputReader
from zipseg.engine.predictor import Prediction, Predictor, predict_files
from zipseg.engine.setup import load_config
from zipseg.utils.errors import ImageError

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "configs" / "Test" / "zip_tiny_random.yaml")


def predict(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, output and error output of a command line."""
    try:
        code = main(["predict", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


@pytest.fixture
def folder(tmp_path, picture):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    cv2.imwrite(str(photos / "a.png"), picture)
    cv2.imwrite(str(photos / "more" / "b.jpg"), picture[:40, :50])
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "names.txt").write_text("red star\n犬\n", encoding="utf-8")
    return photos


def test_a_folder_and_a_file_of_names(folder, tmp_path, capsys, caplog):
    out = tmp_path / "out"
    words = (folder, "--names", tmp_path / "names.txt", "--output", out, "--config-file", TINY)
    code, text, _ = predict(capsys, *words)
    assert code == 0
    assert "2 images, 1 images skipped" in text
    assert "broken.jpg: cannot be decoded" in caplog.text
    coco = COCO(str(out / "predictions.json"))
    assert len(coco.imgs) == 2
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["red star", "犬"]
    assert coco.anns
    for annotation in coco.anns.values():
        assert coco.annToMask(annotation).sum() == annotation["area"]
    assert json.loads((out / "predictions.json").read_text())["annotations"][0]["id"] == 1
    assert len(list((out / "overlays").glob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "--names", "cat,cat", "--config-file", TINY], "named more than once: cat"),
        (
            ["{folder}", "--names", "cat", "MODEL.ZIP.SEGMENTER.WEIGHTS", "sam.pth"],
            "MODEL.ZIP.SEGMENTER.WEIGHTS: 'sam.pth' is neither",
        ),
        (
            ["{folder}/broken.jpg", "--names", "cat", "--config-file", TINY],
            "none of 1 images can be read; the first: ",
        ),
    ],
)
def test_mistakes_end_with_one_sentence(folder, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(SystemExit) as end:
        main(["predict", *(a.format(folder=folder) for a in arguments)])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_overlays_of_an_earlier_run_do_not_stay(predictor, folder, tmp_path):
    first = predict_files(predictor, find_images([folder / "a.png", folder / "more"]), tmp_path)
    assert first.images == 2
    (tmp_path / "overlays" / "mine.jpg").touch()
    predict_files(predictor, [folder / "more" / "b.jpg"], tmp_path)
    left = sorted(path.name for path in (tmp_path / "overlays").iterdir())
    assert left == ["000001_b.jpg", "mine.jpg"]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.from_config(TINY, ["cat", "dog"])


@pytest.mark.parametrize("kind", ["path", "string", "pil", "rgb", "gray", "rgba"])
def test_any_kind_of_image_is_taken(predictor, folder, kind):
    path = folder / "a.png"
    rgb = read_image(path, "RGB")
    given = {
        "path": path,
        "string": str(path),
        "pil": Image.fromarray(rgb),
        "rgb": rgb,
        "gray": rgb[:, :, 0],
        "rgba": np.dstack([rgb, np.zeros_like(rgb[:, :, 0])]),
    }[kind]
    found = predictor(given)
    assert found.instances.image_size == rgb.shape[:2]
    assert found.image.shape == rgb.shape
    if kind != "gray":
        assert (found.image == rgb).all()
        assert torch.equal(found.instances.scores, predictor(rgb).instances.scores)
    several = predictor([given, rgb])
    assert [type(each) for each in several] == [Prediction, Prediction]


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 5, 3)), np.zeros((3, 40, 50), np.uint8), np.zeros((0, 4, 3), np.uint8), 7, None],
)
def test_other_things_are_refused_with_what_is_wanted(wrong):
    with pytest.raises(ImageError, match=r"RGB"):
        to_pixels(wrong)


@pytest.mark.parametrize("shape", [(1, 1), (8, 2000), (2000, 8), (30, 30), (700, 900)])
def test_overlays_of_any_shape(shape):
    count = 80
    instances = Instances(shape)
    instances.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, shape[1], shape[0]]] * count))
    instances.scores = torch.linspace(0, 1, count)
    instances.pred_classes = torch.zeros(count, dtype=torch.int64)
    instances.pred_masks = torch.ones((count, *shape), dtype=torch.bool)
    found = Prediction(np.full((*shape, 3), 128, np.uint8), instances, ("a long name",))
    drawn = found.draw(score=0.5, most=5)
    assert max(drawn.size) <= max(2048, *shape)
    assert min(drawn.size) >= min(shape)


def test_small_networks_on_photographs_are_warned_of(caplog):
    Predictor.from_config("ZipWorld/zip_embedded.yaml", ["red star"])
    assert sum("nothing of photographs" in message for message in caplog.messages) == 1


def test_a_trained_detector_on_files(folder, tmp_path, capsys):
    config = ROOT / "tests" / "tiny_mask_rcnn.yaml"
    cfg = load_config(str(config), ["MODEL.WEIGHTS", ""])
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    weights = tmp_path / "model.pth"
    model = build_model(cfg)
    torch.nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=1.0)
    torch.save({"model": model.state_dict()}, weights)
    options = ["MODEL.WEIGHTS", weights, "MODEL.ROI_HEADS.NUM_CLASSES", 2]
    options += ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0]
    common = (folder, "--config-file", config, "--output", tmp_path / "out")
    code, *_ = predict(capsys, *common, "--names", "star,犬", *options)
    assert code == 0
    coco = COCO(str(tmp_path / "out" / "predictions.json"))
    assert coco.anns
    model.eval()
    (image,) = [i for i in coco.imgs.values() if i["file_name"].endswith("a.png")]
    reader = InputReader(cfg)
    entry = reader.entry(image["file_name"], reader.pixels(image["file_name"]))
    with torch.no_grad():
        model.roi_heads.box_predictor.test_score_thresh = 0.0
        expected = model([entry])[0]["instances"]
    found = [a for a in coco.anns.values() if a["image_id"] == image["id"]]
    assert len(found) == len(expected)
    assert max(a["score"] for a in found) == pytest.approx(expected.scores.max().item(), abs=1e-4)
    code, _, error = predict(capsys, *common, "--names", "star,犬,heart", *options)
    assert code == 2
    assert "knows 2 classes, but 3 names were given" in error
