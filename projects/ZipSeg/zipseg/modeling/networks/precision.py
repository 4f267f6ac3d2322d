"""The number format that networks run fastest in on a device."""

import logging

import torch

logger = logging.getLogger(__name__)


def reduced_precision(device: torch.device, wanted: bool) -> torch.autocast:
    """Autocast to float16 on CUDA and to bfloat16 on a CPU that computes in it; nothing on others,
    where bfloat16 is emulated at a fraction of float32's speed."""
    if wanted and device.type == "cpu" and not cpu_has_bfloat16():
        logger.warning(
            "MODEL.ZIP.AUTOCAST: this CPU does not compute in bfloat16; it stays with float32, "
            "which is faster here"
        )
        wanted = False
    return torch.autocast(device.type, enabled=wanted)


def cpu_has_bfloat16() -> bool:
    """Whether PyTorch's CPU backend has instructions for bfloat16 (AVX512-BF16, AMX; arm64's BF16).

    The backend is asked, not timed: the same machine gives the same output every time.
    """
    known = getattr(torch.cpu, "get_capabilities", dict)()
    older = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    return older() or any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
