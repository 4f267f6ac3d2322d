import pytest
import torch

from zipseg.experiments.boundaries.counts import NOTHING, count_boundaries
from zipseg.experiments.boundaries.methods import METHODS, Cuts, by_clusters, constants
from zipseg.experiments.boundaries.oracle import read_image_objects
from zipseg.experiments.boundaries.sources import constant, lab

GRID = (32, 32)


@pytest.fixture
def scene(squares_truth, squares_image):
    return read_image_objects(squares_truth, 1, squares_image, (32, 128))


def test_clusters_share_kmeans_and_equal_discovery(scene):
    generator = torch.Generator().manual_seed(0)
    features = torch.rand((5, 32, 32), generator=generator)
    features = torch.nn.functional.avg_pool2d(features[None], 5, 1, 2)[0]
    activation = scene.oracle[32].activation
    settings = METHODS["clusters"].candidates(32)
    assert len(settings) > 2
    found = by_clusters(features, activation, settings, (128, 128))
    for each, proposals in zip(settings, found, strict=True):
        expected, _ = each(features, activation, (128, 128))
        assert torch.equal(proposals.box, expected.box)
        assert torch.equal(proposals.category, expected.category)


@pytest.mark.parametrize("method", ["clusters", "watershed", "silhouette"])
def test_colour_parts_the_squares_of_different_colour(scene, method):
    activation = scene.oracle[32 * METHODS[method].fine].activation
    features = lab(scene.image, GRID)
    found = METHODS[method].discover(
        features, activation, METHODS[method].candidates(32), (128, 128)
    )
    assert any(len(objects) == 3 for objects in found)


@pytest.mark.parametrize("method", ["watershed", "silhouette"])
def test_without_features_only_the_shape_is_left(scene, method):
    fine = METHODS[method].fine
    activation = scene.oracle[32 * fine].activation
    features = constant(scene.image, GRID)
    for objects in METHODS[method].discover(
        features, activation, METHODS[method].candidates(32), (128, 128)
    ):
        third = [28, 88, 72, 120] if fine == 1 else [30, 90, 70, 120]
        assert sorted(objects.box.tolist()) == [[20, 20, 100, 60], third]
        assert objects.category.tolist() == [0, 1]


def test_contact_recall_interior_rate_and_pieces(scene):
    oracle = scene.oracle[32]
    boundary = torch.zeros(1, 32, 32, dtype=torch.bool)
    segment = torch.zeros(1, 32, 32, dtype=torch.int64)
    measures = count_boundaries(Cuts(boundary, segment), oracle).measures()
    assert measures == {"contact_recall": 0, "interior_rate": 0, "pieces_per_object": 1}
    boundary[0, 5:10, 16] = True  # along half of the contact, one cell beside it
    boundary[0, 9, 9] = True  # reaches 9 of the 36 interior cells of one square
    segment[0, :, 15:] = 1
    segment[0, :9, :15] = 2  # cuts the left square 4 : 6 and the third object's row not at all
    counts = count_boundaries(Cuts(boundary, segment), oracle)
    # Columns 14 and 15 are contact; only 15 has a boundary cell within one, in six rows of ten.
    assert (counts.contact_found, counts.contact) == (6, 20)
    assert counts.interior_hit == 9 + 4  # the boundary beside the contact reaches column 17
    assert counts.pieces == 2 + 1 + 2
    assert (counts + NOTHING) == counts


@pytest.mark.parametrize("method", METHODS)
def test_cuts_cover_the_objects(scene, method):
    activation = scene.oracle[32 * METHODS[method].fine].activation
    settings = METHODS[method].candidates(32)[0]
    cuts = METHODS[method].cuts(lab(scene.image, GRID), activation, settings)
    near = torch.nn.functional.max_pool2d(cuts.boundary.float(), 3, 1, 1) > 0
    contact = scene.oracle[32].contact
    assert near.expand_as(contact)[contact].all()
    assert cuts.segment.shape[-2:] == GRID


def test_constants_name_a_setting():
    settings = METHODS["clusters"].candidates(64)
    assert constants(settings[0])["k"] == 20
    assert len({str(constants(each)) for each in settings}) == len(settings)
    assert constants(METHODS["watershed"].candidates(64)[0])["radii"] == [1.5]
