"""The invariants of the value types."""

import dataclasses

import pytest
import torch

from zipseg.structures import Activation, Masks, Pieces, Present, Proposals


def proposals(count):
    places = torch.arange(count)
    return Proposals(
        places,
        torch.rand(count, 4),
        torch.rand(count, 2),
        torch.zeros_like(places),
        torch.zeros(count).bool(),
    )


def same(one, other):
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_length_and_choice():
    five = proposals(5)
    assert len(five) == 5
    assert len(Proposals.cat([five, five[:0], five[1:3]])) == 7
    assert same(Proposals.cat([five[:2], five[2:]]), five)
    assert same(five[-1], five[4:])
    assert five[torch.tensor([3, 0])].category.tolist() == [3, 0]
    assert five[five.category > 2].category.tolist() == [3, 4]
    assert [each.category.item() for each in five] == [0, 1, 2, 3, 4]
    assert same(five.to("cpu"), five)
    for place in (5, -6):
        with pytest.raises(IndexError, match=rf"Proposals: no place {place} among 5"):
            five[place]


def test_the_first_of_equal_boxes_stays():
    first = proposals(3)
    again = dataclasses.replace(first, source=torch.ones_like(first.source))
    other = dataclasses.replace(again, category=first.category + 1)
    together = Proposals.distinct([first, again, other])
    assert together.source.tolist() == [0, 0, 0, 1, 1, 1]
    assert same(together[:3], first)


def test_values_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        proposals(2).box = torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: dataclasses.replace(proposals(3), box=torch.zeros(3, 5)),
            r"Proposals\.box: shape \[3, 5\] is not \[N, 4\], N = 3",
        ),
        (
            lambda: dataclasses.replace(proposals(3), point=torch.zeros(2, 2)),
            r"Proposals\.point: shape \[2, 2\] is not \[N, 2\], N = 3",
        ),
        (
            lambda: Present(torch.zeros(2), torch.zeros(2)),
            r"Present\.category: torch\.float32 is not int64",
        ),
        (
            lambda: Activation(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)),
            r"Activation\.active: torch\.float32 is not bool",
        ),
        (
            lambda: Masks(torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2)),
            r"Masks\.mask: shape \[2, 3\] is not \[N, H, W\]",
        ),
        (
            lambda: Masks(torch.zeros(2, 3, 4, dtype=torch.bool), torch.zeros(2).int()),
            r"Masks\.iou: torch\.int32 is not floating point",
        ),
        (
            lambda: Pieces(
                torch.zeros(3, 4), torch.zeros(1, 3, 5).long(), torch.ones(1, dtype=torch.bool)
            ),
            r"Pieces\.label: shape \[1, 3, 5\] is not \[Q, h, w\], h = 3, w = 4",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
