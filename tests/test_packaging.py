"""What the installed package holds, and what it says where detectron2 is missing."""

import email
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; sys.modules['torch'] = None; from setuptools import build_meta; "
DATA = ("card.md", "weights.safetensors", "names.json", "names.txt")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the tree by a Python that has no torch."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "projects", copy / "projects", ignore=skip)
    embedded = copy / "projects/ZipSeg/zipseg/zipworld/networks"
    embedded.mkdir(exist_ok=True)
    for name in ("__init__.py", *DATA):
        (embedded / name).touch()
    command = [sys.executable, "-c", BUILD + "build_meta.build_wheel('out')"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (path,) = (copy / "out").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_every_module_and_the_embedded_data(wheel):
    source = ROOT / "projects/ZipSeg"
    modules = {str(path.relative_to(source)) for path in source.glob("zipseg/**/*.py")}
    names = set(wheel.namelist())
    assert modules <= names
    assert {f"zipseg/zipworld/networks/{name}" for name in DATA} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"zipseg"}


def test_requirements_name_torch_with_torchvision_and_no_detectron2(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    required = email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist")
    always = {line.split(">=")[0] for line in required if "extra ==" not in line}
    assert {"torch", "torchvision", "opencv-python"} <= always
    assert not [line for line in required if "detectron2" in line.lower()]
    assert "opencv-python-headless" not in str(required)


def test_import_without_detectron2_says_how_to_get_it():
    code = "import sys; sys.modules['detectron2'] = None; import zipseg"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    message = run.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError: zipseg needs detectron2")
    assert "tools/install_detectron2.py" in message
    assert "make setup" in message


def test_only_one_opencv_is_installed():
    from importlib.metadata import packages_distributions

    assert find_spec("cv2")
    assert set(packages_distributions()["cv2"]) == {"opencv-python"}
