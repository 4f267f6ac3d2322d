"""Image-level scores and the rule of presence."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zipseg.modeling.stages.classification import ScoreCategories, SelectPresent, pool_views


def unit(*shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    return x / x.norm(dim=-1, keepdim=True)


def test_softmax_scores_are_clips():
    image, text = unit(3, 8) * 5, unit(4, 8)
    scores = ScoreCategories(scale=20.0)(image, text, unit(8))
    for b in range(3):
        logits = [20.0 * float(image[b] @ t / image[b].norm()) for t in text]
        total = sum(torch.tensor(logits).exp())
        for c in range(4):
            assert scores[b, c] == pytest.approx(
                float(torch.tensor(logits[c]).exp() / total), rel=1e-4
            )


def test_sigmoid_scores_compare_with_the_bias_or_the_empty_string():
    image, text, empty = unit(2, 8), unit(4, 8), unit(1, 8)[0]
    with_bias = ScoreCategories(10.0, -3.0, "sigmoid")(image, text, empty)
    torch.testing.assert_close(with_bias, torch.sigmoid(10 * image @ text.T - 3))
    without = ScoreCategories(10.0, score="sigmoid")(image, text, empty)
    torch.testing.assert_close(
        without, torch.sigmoid(10 * (image @ text.T - (image @ empty)[:, None]))
    )


@given(
    st.lists(st.floats(0, 1, width=32), max_size=30),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 10),
)
def test_presence_follows_the_rule_name_by_name(scores, relative, minimum, most):
    present = SelectPresent(relative, minimum, most)(torch.tensor(scores))
    tensor = torch.tensor(scores)
    order = sorted(range(len(scores)), key=lambda c: (-scores[c], c))
    expected = [c for c in order if tensor[c] >= relative * tensor.max() and tensor[c] >= minimum][
        :most
    ]
    assert present.category.tolist() == expected
    assert present.score.tolist() == [scores[c] for c in expected]


@pytest.mark.parametrize("names", [4, 80, 1203])
def test_the_relative_rule_finds_two_clear_names_among_any_number(names):
    text = unit(names, 512)
    image = text[:2].mean(dim=0, keepdim=True)
    scores = ScoreCategories(scale=100.0)(image, text, unit(512))[0]
    assert sorted(SelectPresent()(scores).category.tolist()) == [0, 1]


def test_views_are_pooled_by_size():
    scores = torch.tensor([[[0.2, 0.6], [0.4, 0.0], [0.1, 0.5], [0.9, 0.1]]])
    torch.testing.assert_close(pool_views(scores, (1, 3)), torch.tensor([[0.55, 0.55]]))
    torch.testing.assert_close(pool_views(scores[:, :1], (1,)), scores[:, 0])
