"""Reading images that strangers made: every kind of file ends as uint8 pixels or a clear error."""

import glob
import importlib
import logging
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..utils.errors import ImageError

logger = logging.getLogger(__name__)

# INPUT.MAX_PIXELS is the one limit, checked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

# Packages that teach Pillow more formats, if they are installed.
_PLUGINS = ("pillow_heif", "pillow_avif", "pillow_jxl")
# Formats that Pillow knows the names of, but decodes with other programs or not at all.
_NO_PICTURES = frozenset(("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PDF", "WMF"))
_NO_DATA = (-9999.0, -32768.0)  # what maps have where nothing was measured


@cache
def suffixes() -> frozenset[str]:
    """Endings of the files that Pillow reads here, in small letters, such as ".jpg"."""
    for name in _PLUGINS:
        try:
            plugin = importlib.import_module(name)
        except ImportError:
            continue
        getattr(plugin, "register_heif_opener", lambda: None)()
    known = Image.registered_extensions().items()
    readable = {*Image.OPEN, "MPO"} - _NO_PICTURES  # several JPEGs in one file, opened as JPEG
    return frozenset(suffix for suffix, form in known if form in readable)


def read_image(
    path: str | Path, image_format: str = "BGR", max_pixels: int | None = 100_000_000
) -> np.ndarray:
    """An image as uint8 [H, W, 3], turned upright by its EXIF orientation.

    Grayscale, palette, CMYK and transparent images become RGB; 16-bit ones are scaled to 8 bits.
    Floating-point and 32-bit images, and 16-bit ones that use 12 bits at most, are scaled by the
    range of their finite values, with one warning for each of these kinds.

    Args:
        path: a file.
        image_format: "BGR" or "RGB".
        max_pixels: images with more are refused before they are decoded; None for no limit.

    Raises:
        ImageError: missing, empty, truncated, too large, or not an image.
    """
    path = Path(path)
    suffixes()  # registers the plugins
    try:
        if not path.is_file():
            raise ImageError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise ImageError(f"{path}: the file is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_pixels(path, image.size, max_pixels)
                rgb = _to_rgb(path, image.format, ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise ImageError(f"{path}: cannot be decoded ({error})") from error
    return rgb if image_format == "RGB" else np.ascontiguousarray(rgb[:, :, ::-1])


def list_images(folder: str | Path) -> list[Path]:
    """The image files below ``folder``, sorted, hidden ones left out.

    Links are followed, each folder is entered once. One warning line counts what was passed over.

    Raises:
        ImageError: the folder is missing or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    found, passed, entered = [], Counter(), set()
    for here, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        state = os.stat(here)
        if (state.st_dev, state.st_ino) in entered:
            passed["folders that links lead to again"] += 1
            folders.clear()
            continue
        entered.add((state.st_dev, state.st_ino))
        passed["hidden"] += sum(name.startswith(".") for name in (*folders, *files))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(here, name) for name in files if not name.startswith(".")):
            if not path.is_file():
                passed["links to nothing" if path.is_symlink() else "no files"] += 1
            elif path.suffix.lower() in suffixes():
                found.append(path)
            else:
                passed[path.suffix.lower() or "without a suffix"] += 1
    told = ", ".join(f"{count:,} {kind}" for kind, count in passed.most_common() if count)
    if told:
        more = "; for .heic install pillow-heif" if {".heic", ".heif"} & set(passed) else ""
        logger.warning("%s: passed over: %s%s", folder, told, more)
    if not found:
        raise ImageError(f"{folder}: holds no image, only {told or 'nothing'}")
    return sorted(found)


def find_images(words: Sequence[str | Path]) -> list[Path]:
    """The image files that a user means by files, folders and globs, each once, in this order.

    Raises:
        ImageError: a word that is no file, folder or glob with a match, or a folder without images.
    """
    found: dict[Path, None] = {}
    for word in map(str, words):
        path = Path(word).expanduser()
        if path.is_dir():
            paths = list_images(path)
        elif path.exists():
            paths = [path]
        else:
            paths = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
            paths = [p for p in paths if p.is_file()]
            if not paths:
                raise ImageError(f"{word}: no such file or folder")
        found |= dict.fromkeys(paths)
    return list(found)


def to_pixels(
    source: str | Path | Image.Image | np.ndarray,
    image_format: str = "BGR",
    max_pixels: int = 100_000_000,
) -> np.ndarray:
    """uint8 [H, W, 3] of an image file, a PIL image or an array.

    Args:
        source: a path; a PIL image of any mode; an array uint8 [H, W, 3] in RGB, [H, W] of gray, or
            [H, W, 4] whose last channel is left out.
        image_format: "BGR" or "RGB", of the result.
        max_pixels: images with more are refused.

    Raises:
        ImageError: as ``read_image``; an array of another shape or type.
    """
    if isinstance(source, str | Path):
        return read_image(source, image_format, max_pixels)
    if isinstance(source, Image.Image):
        _check_pixels(Path("PIL image"), source.size, max_pixels)
        rgb = _to_rgb(Path("PIL image"), source.format, ImageOps.exif_transpose(source))
    else:
        rgb = _checked_array(source)
        _check_pixels(Path("array"), rgb.shape[1::-1], max_pixels)
    return rgb if image_format == "RGB" else np.ascontiguousarray(rgb[:, :, ::-1])


def _checked_array(array: object) -> np.ndarray:
    """uint8 RGB [H, W, 3]."""
    if not isinstance(array, np.ndarray):
        raise ImageError(
            f"{type(array).__name__}: give a path, a PIL image or an RGB array, uint8 [H, W, 3]"
        )
    shape, channels = array.shape, array.shape[2] if array.ndim == 3 else 0
    if (
        array.dtype != np.uint8
        or array.ndim not in (2, 3)
        or channels not in (0, 3, 4)
        or not all(shape)
    ):
        raise ImageError(
            f"array of {array.dtype} {list(shape)}: give RGB as uint8 [H, W, 3], values 0..255"
        )
    if array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    return np.ascontiguousarray(array[:, :, :3])


def check_size(record: dict, image: np.ndarray) -> None:
    """Raises ImageError for an image [H, W, 3] of another size than its record has."""
    height, width = image.shape[:2]
    expected = (record.get("height", height), record.get("width", width))
    if expected != (height, width):
        raise ImageError(
            f"{record['file_name']}: is {width} x {height}, but its annotations say "
            f"{expected[1]} x {expected[0]}; remove its EXIF orientation or mend the annotations"
        )


def _raise(error: OSError) -> None:
    raise ImageError(f"{error.filename}: cannot be listed ({error.strerror})") from error


def _check_pixels(path: Path, size: tuple[int, int], max_pixels: int | None) -> None:
    width, height = size
    if max_pixels is not None and width * height > max_pixels:
        raise ImageError(
            f"{path}: {width} x {height} is more than {max_pixels:,} pixels; "
            "make it smaller or raise INPUT.MAX_PIXELS"
        )


def _to_rgb(path: Path, file_format: str | None, image: Image.Image) -> np.ndarray:
    if not image.mode.startswith(("I", "F")):
        return np.array(image.convert("RGB"))
    values = np.asarray(image).astype(np.float64)
    # Pillow has 16-bit PNG and PGM as 32-bit integers in some versions.
    deep = image.mode != "F" and (image.mode != "I" or file_format in ("PNG", "PPM"))
    if deep and values.max() > 4095:
        unit = values / 65535
    else:
        kind = "floating point" if image.mode == "F" else "12 bits in 16" if deep else "32 bits"
        unit = _by_range(path, kind, values)
    gray = (np.clip(unit, 0, 1) * 255).round().astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def _by_range(path: Path, kind: str, values: np.ndarray) -> np.ndarray:
    """Values in 0 .. 1 from the least to the greatest that was measured; 0 for what was not."""
    measured = np.isfinite(values) & ~np.isin(values, _NO_DATA)
    low, high = (values[measured].min(), values[measured].max()) if measured.any() else (0.0, 0.0)
    _tell_range(kind, str(path), low, high)
    span = high - low if high > low else max(high, 1.0)
    start = low if high > low else 0.0
    unit = np.where(measured, (np.where(measured, values, low) - start) / span, 0.0)
    return np.where(np.isposinf(values), 1.0, unit)


_told: set[str] = set()


def _tell_range(kind: str, path: str, low: float, high: float) -> None:
    if kind not in _told:
        _told.add(kind)
        logger.warning(
            "%s: %s a pixel; its values of %g .. %g are spread over the range of brightness, and "
            "so are those of other images of this kind, each by its own range",
            path,
            kind,
            low,
            high,
        )
