"""What the installed package holds, and what it says where detectron2 is missing."""

import email
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; sys.modules['torch'] = None; from setuptools import build_meta; "


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the tree by a Python that has no torch."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "projects", copy / "projects", ignore=skip)
    shutil.copytree(ROOT / "configs", copy / "configs")
    command = [sys.executable, "-c", BUILD + "build_meta.build_wheel('out')"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (path,) = (copy / "out").glob("*.whl")
    return path


@pytest.fixture
def archive(wheel):
    with zipfile.ZipFile(wheel) as archive:
        yield archive


def test_wheel_holds_every_module_config_and_the_embedded_data(archive):
    source = ROOT / "projects/ZipSeg"
    modules = {str(path.relative_to(source)) for path in source.glob("zipseg/**/*.py")}
    names = set(archive.namelist())
    assert modules <= names
    configs = {f"zipseg/{path.relative_to(ROOT)}" for path in ROOT.glob("configs/**/*.yaml")}
    assert len(configs) > 20
    assert configs <= names
    networks = [p for p in (source / "zipseg/zipworld/networks").glob("*.*") if p.suffix != ".py"]
    assert {".safetensors", ".md", ".json"} <= {path.suffix for path in networks}
    assert {str(path.relative_to(source)) for path in networks} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"zipseg"}


def test_source_archive_holds_all_that_is_tracked(tmp_path):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    tracked = {path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()}
    for path in tracked:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).symlink_to(ROOT / path)
    command = [sys.executable, "-c", BUILD + "build_meta.build_sdist('out')"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (path,) = (tmp_path / "out").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked <= inside


def test_requirements_name_torch_with_torchvision_and_no_detectron2(archive):
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    required = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    always = {line.split(">=")[0] for line in required if "extra ==" not in line}
    assert {"torch", "torchvision", "opencv-python"} <= always
    assert not [line for line in required if "detectron2" in line.lower()]
    assert "opencv-python-headless" not in str(required)


def test_import_without_detectron2_says_how_to_get_it():
    code = "import sys; sys.modules['detectron2'] = None; from zipseg import Zip"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    message = run.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError: zipseg needs detectron2")
    assert "zipseg install-detectron2" in message
    assert "make setup" in message


SMALL = """
import json, runpy, sys
from pathlib import Path

examples, zipseg_command = sys.argv[1:]
sys.argv = [zipseg_command, "predict", "*.png", "--names", "cat,dog"]
sys.argv += ["--config-file", "Test/zip_tiny_random.yaml"]
try:
    runpy.run_path(zipseg_command, run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code

import zipseg
from zipseg import Predictor, get_config_file

assert "site-packages" in zipseg.__file__, zipseg.__file__
predictor = Predictor.from_config("Test/zip_tiny_random.yaml", names=["cat", "dog"])
result = predictor("photo.png")
assert result.instances.image_size == (60, 80)
result.draw().save("out.jpg")
(image,) = result.to_coco()["images"]
assert (image["height"], image["width"]) == (60, 80)
assert {0, 1} >= set(result.stages.present.category.tolist())
assert result.instances.pred_masks.shape[1:] == (60, 80)

sys.path.insert(0, examples)
import detectron2_recipe

truth = {
    "images": [{"id": 7, "file_name": "photo.png", "height": 60, "width": 80}],
    "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 9, "bbox": [5, 5, 20, 20],
                     "area": 400, "iscrowd": 0, "segmentation": [[5, 5, 25, 5, 25, 25, 5, 25]]}],
}
Path("truth.json").write_text(json.dumps(truth))
tiny = zipseg.engine.setup.load_config("Test/zip_tiny_random.yaml").MODEL.ZIP
opts = ["MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "0"]
for key in ("SEMANTIC.ARCH", "SEMANTIC.WEIGHTS", "SEMANTIC.INPUT_SIZE", "BOUNDARY.ARCH",
            "BOUNDARY.WEIGHTS", "BOUNDARY.INPUT_SIZE", "SEGMENTER.TYPE", "SEGMENTER.WEIGHTS",
            "TEXT.CACHE_DIR", "DISCOVERY.MIN_AREA"):
    section, name = key.split(".")
    opts += [f"MODEL.ZIP.{key}", str(tiny[section][name])]
results = detectron2_recipe.main("photo.png", "truth.json", ".", ".", *opts)
assert set(results) == {"bbox", "segm"}
assert {"AP-cat", "AP-dog"} <= set(results["bbox"])
print("all well")
"""


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of a fresh environment with the wheel, and this one's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = ["install", "-q", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def run_installed(command: list, folder: Path) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=clean | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_command_starts_by_itself(installed, tmp_path):
    run = run_installed([installed / "zipseg", "--version"], tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("zipseg ")


def test_an_installed_package_works_from_an_empty_folder(installed, tmp_path, picture):
    """The API, Detectron2's recipe and the command in one interpreter: its start is the longest."""
    Image.fromarray(picture).save(tmp_path / "photo.png")
    (tmp_path / "small.py").write_text(SMALL)
    words = [ROOT / "docs" / "examples", installed / "zipseg"]
    run = run_installed([installed / "python", "small.py", *words], tmp_path)
    assert run.returncode == 0, run.stderr
    assert "in 1 images" in run.stdout
    assert "Warning" not in run.stderr
    assert run.stdout.splitlines()[-1] == "all well"
    assert (tmp_path / "out.jpg").is_file()
    assert (tmp_path / "output/predictions/overlays/000001_photo.jpg").is_file()
    made = json.loads((tmp_path / "output/predictions/predictions.json").read_text())
    assert [c["name"] for c in made["categories"]] == ["cat", "dog"]


def test_only_one_opencv_is_installed():
    from importlib.metadata import packages_distributions

    assert find_spec("cv2")
    assert set(packages_distributions()["cv2"]) == {"opencv-python"}
