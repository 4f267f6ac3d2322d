"""The official checkpoints of Segment Anything by name: address, size and checksum.

Source: the model checkpoints of https://github.com/facebookresearch/segment-anything. The digits in
the file names are the first of the files' MD5; the SHA-256 are those that users of these files
publish independently of each other.
"""

from pathlib import Path

from ...utils.download import DownloadError, RemoteFile, cache_folder, fetch
from ...utils.errors import ConfigError

_HOST = "https://dl.fbaipublicfiles.com/segment_anything"

SAM_CHECKPOINTS = {
    "vit_b": RemoteFile(
        "sam_vit_b_01ec64.pth",
        f"{_HOST}/sam_vit_b_01ec64.pth",
        375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    "vit_l": RemoteFile(
        "sam_vit_l_0b3195.pth",
        f"{_HOST}/sam_vit_l_0b3195.pth",
        1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    "vit_h": RemoteFile(
        "sam_vit_h_4b8939.pth",
        f"{_HOST}/sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
}


def sam_checkpoint(model_type: str, key: str) -> RemoteFile:
    """The official checkpoint of a type of SAM.

    Args:
        model_type: "vit_b", "vit_l" or "vit_h".
        key: the config node that asks, for the error message.

    Raises:
        ConfigError: there is none of this type.
    """
    if model_type not in SAM_CHECKPOINTS:
        known = ", ".join(SAM_CHECKPOINTS)
        raise ConfigError(
            f"{key}.WEIGHTS", f"'auto' is for {known}, not for the type '{model_type}'; name a file"
        )
    return SAM_CHECKPOINTS[model_type]


def fetch_sam(model_type: str, key: str) -> Path:
    """The local file of an official checkpoint, downloaded if need be.

    Raises:
        ConfigError: there is none of this type, or it cannot be downloaded; the message says which
            file to put where.
    """
    remote = sam_checkpoint(model_type, key)
    folder = cache_folder("weights")
    try:
        return fetch(remote, folder)
    except DownloadError as error:
        raise ConfigError(
            f"{key}.WEIGHTS",
            f"{error}; put the file there by hand as {folder / remote.name}, or give its path",
        ) from error
