"""Packaging of zipseg. detectron2 is needed too but is not on the package index under its name:
``tools/install_detectron2.py`` installs it (``make setup`` does that by itself)."""

from pathlib import Path

from setuptools import find_packages, setup

SOURCE = "projects/ZipSeg"

setup(
    name="zipseg",
    version="0.1.0",
    description="Open-vocabulary instance segmentation and noisy-label self-training on Detectron2",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    package_dir={"": SOURCE},
    packages=find_packages(SOURCE, include=["zipseg", "zipseg.*"]),
    package_data={
        "zipseg.zipworld.networks": ["*.safetensors", "*.md", "*.json", "*.txt"],
        "zipseg.evaluation": ["published.json"],
        "zipseg.visualization": ["report_template.html"],
    },
    install_requires=[
        # torch and torchvision are resolved together: each torchvision fits one torch only.
        "torch>=2.1",
        "torchvision>=0.16",
        "faster-coco-eval>=1.6",
        "fvcore>=0.1.5.post20221221",
        "iopath>=0.1.9",
        "lvis>=0.5.3",
        "matplotlib>=3.6",
        "numpy>=1.24",
        "open_clip_torch>=2.24",
        "opencv-python>=4.6",
        "pillow>=9.1",
        "pycocotools>=2.0.7",
        "safetensors>=0.4",
        "scikit-image>=0.20",
        "scipy>=1.10",
        "segment-anything>=1.0",
        "tqdm>=4.64",
    ],
    extras_require={
        "train": ["centernet2==1.0.post20221121", "timm>=0.9"],
        "cluster": ["submitit>=1.5"],
        "dev": [
            "hypothesis>=6.80",
            "import-linter>=2.1",
            "psutil>=5.9",
            "pytest>=8.0",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
        ],
    },
)
