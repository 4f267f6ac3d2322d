import pytest
import torch
from tests.experiments.boundaries.squares import scene_dict, scene_image

from zipseg.data.coco_format import GroundTruth, truth_from


@pytest.fixture
def squares_truth() -> GroundTruth:
    return truth_from(scene_dict())


@pytest.fixture
def squares_image() -> torch.Tensor:
    """RGB uint8 [3, 128, 128]."""
    return torch.from_numpy(scene_image().transpose(2, 0, 1).copy())
