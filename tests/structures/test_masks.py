"""What masks have in common, against plain loops."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from zipseg.structures import distinct_masks, mask_ious


@st.composite
def some_masks(draw) -> torch.Tensor:
    """Up to nine masks of at most four kinds, empty ones and none among them."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cells = st.lists(st.booleans(), min_size=height * width, max_size=height * width)
    kinds = torch.tensor(draw(st.lists(cells, min_size=1, max_size=4)))
    chosen = torch.tensor(draw(st.lists(st.integers(0, len(kinds) - 1), max_size=9)))
    return kinds[chosen.long()].reshape(-1, height, width)


@given(some_masks())
def test_distinct_masks_are_the_first_of_each_kind(mask):
    first, place = distinct_masks(mask)
    plain = [
        next(j for j in range(i + 1) if torch.equal(mask[i], mask[j])) for i in range(len(mask))
    ]
    assert first.tolist() == sorted(set(plain))
    assert first[place].tolist() == plain


@given(some_masks())
def test_ious_of_all_pairs_however_many_are_alike(mask):
    found = mask_ious(mask)
    assert found.shape == (len(mask), len(mask))
    for i, one in enumerate(mask):
        for j, other in enumerate(mask):
            union = (one | other).sum().item()
            expected = (one & other).sum().item() / union if union else 0
            assert abs(found[i, j] - expected) < 1e-6
