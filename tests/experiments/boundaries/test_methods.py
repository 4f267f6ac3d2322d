import pytest
import torch

from zipseg.experiments.boundaries.counts import NOTHING, count_boundaries
from zipseg.experiments.boundaries.methods import METHODS, Pieces, by_clusters
from zipseg.experiments.boundaries.oracle import read_image_objects
from zipseg.experiments.boundaries.sources import constant, lab
from zipseg.modeling.stages.discovery import discover

GRID = (32, 32)


@pytest.fixture
def scene(squares_truth, squares_image):
    return read_image_objects(squares_truth, 1, squares_image, (32, 128))


def boxes(objects, cell: float) -> list[list[float]]:
    return sorted((objects.box * cell).tolist())


def test_clusters_share_kmeans_and_equal_discovery(scene):
    generator = torch.Generator().manual_seed(0)
    features = torch.rand((5, 32, 32), generator=generator)
    features = torch.nn.functional.avg_pool2d(features[None], 5, 1, 2)[0]
    activation = scene.oracle[32].activation
    settings = METHODS["clusters"].candidates(32)
    assert len(settings) > 2
    for each, objects in zip(settings, by_clusters(features, activation, settings), strict=True):
        expected = discover(features, activation, each)
        assert all(torch.equal(a, b) for a, b in zip(objects, expected, strict=True))


@pytest.mark.parametrize("method", ["clusters", "watershed", "silhouette"])
def test_colour_parts_the_squares_of_different_colour(scene, method):
    activation = scene.oracle[32 * METHODS[method].fine].activation
    features = lab(scene.image, GRID)
    found = METHODS[method].discover(features, activation, METHODS[method].candidates(32))
    assert any(len(objects.box) == 3 for objects in found)


@pytest.mark.parametrize("method", ["watershed", "silhouette"])
def test_without_features_only_the_shape_is_left(scene, method):
    fine = METHODS[method].fine
    activation = scene.oracle[32 * fine].activation
    features = constant(scene.image, GRID)
    for objects in METHODS[method].discover(features, activation, METHODS[method].candidates(32)):
        third = [28, 88, 72, 120] if fine == 1 else [30, 90, 70, 120]
        assert boxes(objects, 4 / fine) == [[20, 20, 100, 60], third]
        assert objects.category.tolist() == [0, 1]


def test_contact_recall_interior_rate_and_pieces(scene):
    oracle = scene.oracle[32]
    boundary = torch.zeros(1, 32, 32, dtype=torch.bool)
    segment = torch.zeros(1, 32, 32, dtype=torch.int64)
    measures = count_boundaries(Pieces(boundary, segment), oracle).measures()
    assert measures == {"contact_recall": 0, "interior_rate": 0, "pieces_per_object": 1}
    boundary[0, 5:10, 16] = True  # along half of the contact, one cell beside it
    boundary[0, 9, 9] = True  # reaches 9 of the 36 interior cells of one square
    segment[0, :, 15:] = 1
    segment[0, :9, :15] = 2  # cuts the left square 4 : 6 and the third object's row not at all
    counts = count_boundaries(Pieces(boundary, segment), oracle)
    # Columns 14 and 15 are contact; only 15 has a boundary cell within one, in six rows of ten.
    assert (counts.contact_found, counts.contact) == (6, 20)
    assert counts.interior_hit == 9 + 4  # the boundary beside the contact reaches column 17
    assert counts.pieces == 2 + 1 + 2
    assert (counts + NOTHING) == counts


@pytest.mark.parametrize("method", METHODS)
def test_pieces_cover_the_objects(scene, method):
    activation = scene.oracle[32 * METHODS[method].fine].activation
    settings = METHODS[method].candidates(32)[0]
    pieces = METHODS[method].pieces(lab(scene.image, GRID), activation, settings)
    near = torch.nn.functional.max_pool2d(pieces.boundary.float(), 3, 1, 1) > 0
    contact = scene.oracle[32].contact
    assert near.expand_as(contact)[contact].all()
    assert pieces.segment.shape[-2:] == GRID
