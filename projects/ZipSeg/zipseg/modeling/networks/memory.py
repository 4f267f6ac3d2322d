"""How much a device has left for a network's maps."""

import torch


def free_memory(device: torch.device) -> int:
    """Bytes that a GPU has left; on a CPU, where none is asked for, more than anyone needs."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 2**62
