import numpy as np
import torch

from zipseg.experiments.boundaries.oracle import TOUCHING, grid_of, read_image_objects


def test_scene_of_squares(squares_truth, squares_image):
    scene = read_image_objects(squares_truth, 1, squares_image, (32,))
    assert scene.category.tolist() == [3, 8]
    assert scene.plane.tolist() == [0, 0, 1]
    assert scene.box.tolist() == [[20, 20, 60, 60], [60, 20, 100, 60], [30, 90, 70, 120]]
    oracle = scene.oracle[32]  # cells of 4 pixels
    active = torch.zeros(2, 32, 32, dtype=torch.bool)
    active[0, 5:15, 5:25] = True
    # Columns 30..70 half cover the cells 7 and 17, which is enough; rows likewise 22 and 29.
    active[1, 22:30, 7:18] = True
    active[1, 22, [7, 17]] = False
    assert torch.equal(oracle.activation.active, active)
    assert torch.equal(oracle.label[0, 5:15, 5:25].unique(), torch.tensor([1, 2]))
    contact = torch.zeros(2, 32, 32, dtype=torch.bool)
    contact[0, 5:15, 14:16] = True  # two pixels on either side of column 60
    assert torch.equal(oracle.contact, contact)
    interior = torch.zeros(32, 32, dtype=torch.bool)
    interior[7:13, 7:13] = interior[7:13, 17:23] = True
    assert torch.equal(oracle.interior[0], interior)


def test_contact_against_a_plain_search():
    from zipseg.experiments.boundaries.oracle import _contact

    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, (2, 14, 11)) * (rng.random((2, 14, 11)) < 0.4)
    plain = np.zeros(label.shape, bool)
    for p, y, x in np.argwhere(label):
        for q, v, u in np.argwhere(label):
            near = p == q and (y - v) ** 2 + (x - u) ** 2 <= TOUCHING**2
            plain[p, y, x] |= near and label[p, y, x] != label[q, v, u]
    assert np.array_equal(_contact(label), plain)
    assert 0 < plain.sum() < (label > 0).sum()


def test_grid_follows_the_shape_of_the_image():
    assert grid_of(torch.zeros(3, 48, 64), 6) == (6, 8)
    assert grid_of(torch.zeros(3, 64, 48), 6) == (8, 6)
