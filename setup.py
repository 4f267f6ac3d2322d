"""Packaging of zipseg. detectron2 is needed too but is not on the package index under its name:
``zipseg install-detectron2`` installs it (``make setup`` does that by itself)."""

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
    # The config files at the top of a checkout are installed as zipseg/configs.
    package_dir={"": SOURCE, "zipseg.configs": "configs"},
    packages=[*find_packages(SOURCE, include=["zipseg", "zipseg.*"]), "zipseg.configs"],
    package_data={
        "zipseg.configs": ["*.yaml", "*/*.yaml"],
        "zipseg.zipworld.networks": ["*.safetensors", "*.md", "*.png", "*.json", "*.txt"],
        "zipseg.evaluation": ["published.json"],
        "zipseg.visualization": ["report_template.html"],
    },
    install_requires=[
        # torch and torchvision are resolved together: each torchvision fits one torch only.
        "torch>=2.1",
        "torchvision>=0.16",
        "filelock>=3.12",
        "fvcore>=0.1.5.post20221221",
        "iopath>=0.1.9",
        "matplotlib>=3.6",
        "msgspec>=0.18",
        "numpy>=1.24",
        "open_clip_torch>=2.24",
        "opencv-python>=4.6",
        "pillow>=9.1",
        "pycocotools>=2.0.7",
        "pyyaml>=6.0",
        "safetensors>=0.4",
        "scikit-image>=0.20",
        "scipy>=1.10",
        "segment-anything>=1.0",
        "tabulate>=0.9",
        "timm>=0.9",
        "tqdm>=4.64",
    ],
    entry_points={"console_scripts": ["zipseg = zipseg.cli.main:main"]},
    extras_require={
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
        "train": ["centernet2==1.0.post20221121"],
        "cluster": ["submitit>=1.5"],
        # SAM 2.1 and HQ-SAM. rf-sam-2 asks for a later iopath than official detectron2 allows,
        # whose bound tools/install_detectron2.py lifts.
        "segmenters": ["rf-sam-2>=1.0.3", "segment-anything-hq>=0.3"],
        "dev": [
            "faster-coco-eval>=1.6",
            "hypothesis>=6.80",
            "import-linter>=2.1",
            # MobileSAM's own code, and what reads and runs ONNX files: to compare with.
            "mobilesam-lite>=0.1.2",
            "onnx>=1.16",
            "onnxruntime>=1.18",
            "lvis>=0.5.3",
            "psutil>=5.9",
            "pytest>=8.0",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
        ],
    },
)
