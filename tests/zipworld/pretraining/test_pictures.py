import numpy as np
import pytest

from zipseg.zipworld.pretraining.pictures import draw_windows
from zipseg.zipworld.pretraining.scenes import SceneBank


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    bank = SceneBank(tmp_path_factory.mktemp("scenes"), range(16_100_000, 16_100_006))
    bank.ensure(np.arange(6))
    return bank


def place(window: np.ndarray, scene: np.ndarray) -> tuple[int, int]:
    """Top and left of the first part of the scene that is the window; there has to be one."""
    side = len(window)
    corners = scene[: len(scene) - side + 1, : scene.shape[1] - side + 1]
    return next(
        (top, left)
        for top, left in np.argwhere((corners == window[0, 0]).all(2)).tolist()
        if (scene[top : top + side, left : left + side] == window).all()
    )


def test_a_window_is_a_part_of_its_scene_and_names_what_it_shows(bank):
    rng = np.random.default_rng(0)
    partial = 0
    for _ in range(20):
        pictures = draw_windows(bank, np.arange(6), (60, 120), rng)
        for scene, image in enumerate(pictures.image):
            side = image.shape[0]
            assert image.shape == (side, side, 3)
            assert 60 <= side <= 120
            top, left = place(image, bank.image[scene])
            owner = bank.owner[scene][top : top + side, left : left + side]
            seen = np.unique(owner[owner >= 0])
            named = pictures.category[scene][pictures.category[scene] >= 0]
            assert 1 <= len(named) <= len(seen)
            shown = bank.category[scene][seen].tolist()
            for category in set(named.tolist()):
                assert (named == category).sum() <= shown.count(category)
            partial += len(named) < len(seen)
            for number in seen:  # what is seen as a whole is always named
                whole = (bank.owner[scene] == number).sum()
                if (owner == number).sum() == whole:
                    assert bank.category[scene][number] in named
    assert partial  # slivers at the border are not spoken of


def test_the_whole_scene_is_a_window_too(bank):
    pictures = draw_windows(bank, np.array([4, 2]), (256, 256), np.random.default_rng(0))
    assert (pictures.image[0] == bank.image[4]).all()
    assert (pictures.category == bank.category[[4, 2]]).all()
