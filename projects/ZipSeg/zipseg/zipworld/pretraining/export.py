"""From a finished training to the files that ship: weights, checksum and model card."""

import hashlib
import json
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from ...utils.files import write_atomically
from ..networks.packing import pack
from ..scenes import SPLITS
from .curves import draw_curves

_LIMITS = """It knows the patterned cushions of ZipWorld and nothing else: its output on photographs
  means nothing. It exists so that the method can be run, tested and measured without downloads.
  For photographs set the real weights (see the README)."""


def export(
    state: dict[str, Tensor], name: str, folder: Path, facts: dict, token_ids: Tensor | None = None
) -> Path:
    """Write ``name.safetensors`` (fp16), ``name.md`` and its picture ``name.png``, and note the
    checksum in ``checksums.json``, each atomically.

    Args:
        state: of the trained model.
        name: the shipped name, one of ``embedded.architectures.PARTS``' values.
        folder: where to.
        facts: what the card reports: "title", "recipe", "command", "seed", "steps",
            "cpu_minutes", "seeds" (of the scenes, a range), "metrics" (a dict), "before" (how the
            weights that it started from were trained, or "") and "curves" (the records of
            ``curves.jsonl``).
        token_ids: the tokenizer's ids of the rows of the model's token embedding.

    Returns:
        The path of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = save(pack(state, token_ids))
    weights = folder / f"{name}.safetensors"
    write_atomically(weights, content)
    checksums = folder / "checksums.json"
    sums = json.loads(checksums.read_text()) if checksums.exists() else {}
    sums[weights.name] = hashlib.sha256(content).hexdigest()
    write_atomically(checksums, (json.dumps(sums, indent=4, sort_keys=True) + "\n").encode())
    write_atomically(folder / f"{name}.png", draw_curves(facts["curves"], name))
    parameters = sum(tensor.numel() for tensor in state.values())
    write_atomically(folder / f"{name}.md", card(name, facts, parameters, len(content)).encode())
    return weights


def card(name: str, facts: dict, parameters: int, size: int) -> str:
    """The model card in Markdown; arguments as for ``export``, ``size`` in bytes."""
    seeds = facts["seeds"]
    scenes = f"{len(seeds)} scenes of `{_split(seeds)}` (seeds {seeds[0]} to {seeds[-1]})"
    before = f"- **Before:** {facts['before']}\n" if facts["before"] else ""
    metrics = "\n".join(f"| {metric} | {value:.4f} |" for metric, value in facts["metrics"].items())
    return f"""# {name}

{facts["title"]}, {parameters / 1e6:.2f} million parameters, {size / 1e6:.1f} MB in half precision.

- **Data:** {scenes}; no scene of an evaluation split, no unseen name.
{before}- **Training:** {facts["recipe"]}
- **Cost:** {facts["steps"]} steps, {facts["cpu_minutes"]:.0f} minutes of one CPU core.
- **Seed:** {facts["seed"]}
- **Command:** {facts["command"]}
- **Limits:** {_LIMITS}

| metric on held-out scenes | value |
|---|---|
{metrics}

![Loss and metrics on held-out pre-training scenes]({name}.png)
"""


def _split(seeds: range) -> str:
    return next(name for name, split in SPLITS.items() if seeds[0] in split)
