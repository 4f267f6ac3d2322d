"""What ``zipseg download`` fetches and what its --check says, against a local server."""

import hashlib
import random

import pytest
from tests.utils.server import Behaviour, serving

from zipseg.cli.main import main
from zipseg.engine import needs
from zipseg.engine.setup import load_config
from zipseg.modeling.networks import checkpoints
from zipseg.utils.download import RemoteFile

CONTENT = random.Random(1).randbytes(50_000)
TINY = ["--config-file", "Test/zip_tiny_random.yaml"]
AUTO = ["MODEL.ZIP.SEGMENTER.TYPE", "vit_b", "MODEL.ZIP.SEGMENTER.WEIGHTS", "auto"]


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A server that has the official checkpoint of vit_b, and an empty cache."""
    monkeypatch.setenv("ZIPSEG_CACHE", str(tmp_path / "cache"))
    served = Behaviour(CONTENT)
    with serving(served) as url:
        digest = hashlib.sha256(CONTENT).hexdigest()
        remote = RemoteFile("sam_vit_b.pth", url, len(CONTENT), digest)
        monkeypatch.setattr(checkpoints, "SAM_CHECKPOINTS", {"vit_b": remote})
        yield served


def test_check_then_download_then_check(official, tmp_path, capsys):
    file = tmp_path / "cache" / "weights" / "sam_vit_b.pth"
    assert main(["download", *TINY, "--check", *AUTO]) == 1
    assert "missing  MODEL.ZIP.SEGMENTER.WEIGHTS auto (vit_b): http://" in capsys.readouterr().out
    assert not official.requests
    assert main(["download", *TINY, *AUTO]) == 0
    assert f"there    MODEL.ZIP.SEGMENTER.WEIGHTS auto (vit_b): {file}" in capsys.readouterr().out
    assert file.read_bytes() == CONTENT
    assert main(["download", *TINY, "--check", *AUTO]) == 0
    file.write_bytes(bytes(len(CONTENT)))
    assert main(["download", *TINY, "--check", *AUTO]) == 1
    assert len(official.requests) == 1


def test_nothing_is_needed_for_what_ships_or_is_random(capsys):
    assert main(["download", *TINY]) == 0
    assert "zip_tiny_random.yaml needs no weights from elsewhere" in capsys.readouterr().out
    assert list(needs.needed_weights(load_config("Test/zip_tiny_random.yaml"))) == []
    assert list(needs.needed_weights(load_config("ZipWorld/zip_embedded.yaml"))) == []


def test_the_papers_config_needs_three_networks(monkeypatch):
    monkeypatch.setattr(needs, "find_clip", lambda arch, tag: f"/hub/{arch}-{tag}")
    found = list(needs.needed_weights(load_config("COCO/zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml")))
    assert [need.name for need in found] == [
        "MODEL.ZIP.SEGMENTER.WEIGHTS auto (vit_h)",
        "MODEL.ZIP.SEMANTIC.WEIGHTS openai (ViT-B-16)",
        "MODEL.ZIP.BOUNDARY.WEIGHTS openai (RN50x64)",
    ]
    assert found[1].find() == "/hub/ViT-B-16-openai"


def test_files_and_detectors(tmp_path, monkeypatch):
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "iopath"))
    sam = ["MODEL.ZIP.SEGMENTER.WEIGHTS", str(tmp_path / "sam.pth")]
    (need,) = needs.needed_weights(load_config("Test/zip_tiny_random.yaml", sam))
    assert need.find() is None
    (tmp_path / "sam.pth").touch()
    assert need.find() == str(tmp_path / "sam.pth")
    zoo = "detectron2://ImageNetPretrained/MSRA/R-50.pkl"
    config = load_config("SelfTraining/COCO_mask_rcnn_R50_FPN.yaml", ["MODEL.WEIGHTS", zoo])
    (need,) = needs.needed_weights(config)
    assert need.find() is None
    kept = tmp_path / "iopath/detectron2/ImageNetPretrained/MSRA/R-50.pkl"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert need.find() == str(kept)
