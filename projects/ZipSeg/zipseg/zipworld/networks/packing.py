"""Weights as they are shipped: half precision, and no row for a token that was never trained."""

from torch import Tensor

TOKENS = "token_embedding.weight"
TOKEN_IDS = "token_embedding.ids"


def pack(state: dict[str, Tensor], token_ids: Tensor | None = None) -> dict[str, Tensor]:
    """Weights to be written: matrices in fp16; vectors, few and sensitive, as they are.

    Args:
        state: a model's state; its token embedding, if any, has one row for each of ``token_ids``.
        token_ids: int64 [T], the tokenizer's ids of these rows; None for a model without text.
    """
    packed = {
        name: (tensor.half() if tensor.ndim > 1 else tensor).contiguous()
        for name, tensor in state.items()
    }
    if token_ids is not None:
        packed[TOKEN_IDS] = token_ids
    return packed


def unpack(packed: dict[str, Tensor], vocabulary: int | None = None) -> dict[str, Tensor]:
    """The inverse of ``pack``, in fp32.

    Args:
        packed: what ``pack`` returned.
        vocabulary: rows of the full token embedding; a token without a row of its own gets the
            mean of the others, so that an unknown word is harmless. None without text.
    """
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in packed.items()
        if name != TOKEN_IDS
    }
    if vocabulary is not None:
        trained = state[TOKENS]
        full = trained.mean(dim=0).repeat(vocabulary, 1)
        full[packed[TOKEN_IDS]] = trained
        state[TOKENS] = full
    return state
