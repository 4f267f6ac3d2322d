"""The config files that ship, found by their names from any folder."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from .errors import ConfigError


def config_folder() -> Path:
    """Where the config files are: in the installed package, or at the top of a checkout."""
    inside = Path(__file__).parents[1] / "configs"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[4] / "configs"


def get_config_file(name: str | Path) -> str:
    """The path of a config file: ``name`` itself if there is such a file, or one that ships with
    the package, such as "COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml".

    Raises:
        ConfigError: neither exists; the message names the likeliest.
    """
    given = Path(name).expanduser()
    if given.is_file():
        return str(given)
    folder = config_folder()
    shipped = folder / str(name).removeprefix("configs/")
    if not given.is_absolute() and shipped.is_file():
        return str(shipped)
    known = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.yaml"))]
    close = get_close_matches(str(name).removeprefix("configs/"), known, n=1, cutoff=0.3)
    hint = f"; did you mean '{close[0]}', which ships with zipseg?" if close else ""
    raise ConfigError("--config-file", f"'{name}' does not exist{hint}")
