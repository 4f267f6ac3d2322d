import torch

from zipseg.zipworld.networks.packing import TOKEN_IDS, TOKENS, pack, unpack


def test_matrices_are_halved_and_come_back_in_fp32():
    state = {
        "weight": torch.tensor([[1.0, -0.333333]]),
        "variance": torch.tensor([1e-9, 7e4]),  # beyond fp16
        "count": torch.tensor(3),
    }
    packed = pack(state)
    assert packed["weight"].dtype == torch.float16
    back = unpack(packed)
    assert back["weight"].dtype == torch.float32
    torch.testing.assert_close(back["weight"], state["weight"], rtol=1e-3, atol=0)
    assert torch.equal(back["variance"], state["variance"])
    assert back["count"] == 3
    assert back["count"].dtype == torch.int64


def test_untrained_tokens_get_the_mean_row():
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    packed = pack({TOKENS: rows}, torch.tensor([5, 2]))
    assert packed[TOKEN_IDS].tolist() == [5, 2]
    full = unpack(packed, 7)[TOKENS]
    assert full.shape == (7, 2)
    assert full[5].tolist() == [1, 2]
    assert full[2].tolist() == [3, 4]
    assert full[[0, 1, 3, 4, 6]].tolist() == [[2, 3]] * 5
