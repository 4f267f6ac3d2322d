"""Reading images that strangers made: every kind of file ends as uint8 pixels or a clear error."""

import glob
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..utils.errors import ImageError

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm"))


def read_image(
    path: str | Path, image_format: str = "BGR", max_pixels: int = 100_000_000
) -> np.ndarray:
    """An image as uint8 [H, W, 3], turned upright by its EXIF orientation.

    Grayscale, palette, CMYK and transparent images become RGB; 16-bit ones are scaled to 8 bits.

    Args:
        path: a file.
        image_format: "BGR" or "RGB".
        max_pixels: images with more are refused before they are decoded.

    Raises:
        ImageError: missing, empty, truncated, too large, or not an image.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path, image.size, max_pixels)
                rgb = _to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: too many pixels; make it smaller ({error})") from error
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise ImageError(f"{path}: cannot be decoded ({error})") from error
    return rgb if image_format == "RGB" else np.ascontiguousarray(rgb[:, :, ::-1])


def list_images(folder: str | Path) -> list[Path]:
    """The image files below ``folder``, sorted, hidden ones left out.

    Raises:
        ImageError: the folder is missing or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise ImageError(f"{folder}: holds no image ({', '.join(sorted(SUFFIXES))})")
    return found


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
        _check_size(Path("PIL image"), source.size, max_pixels)
        rgb = _to_rgb(ImageOps.exif_transpose(source))
    else:
        rgb = _checked_array(source)
        _check_size(Path("array"), rgb.shape[1::-1], max_pixels)
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


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"{path}: {width} x {height} is more than {max_pixels:,} pixels; "
            "make it smaller or raise INPUT.MAX_PIXELS"
        )


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image).astype(np.float64)
        top = 65535.0 if image.mode.startswith("I") else max(values.max(), 1e-12)
        gray = np.clip(values * (255.0 / top), 0, 255).round().astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    return np.array(image.convert("RGB"))


def check_size(record: dict, image: np.ndarray) -> None:
    """Raises ImageError for an image [H, W, 3] of another size than its record has."""
    height, width = image.shape[:2]
    expected = (record.get("height", height), record.get("width", width))
    if expected != (height, width):
        raise ImageError(
            f"{record['file_name']}: is {width} x {height}, but its annotations say "
            f"{expected[1]} x {expected[0]}; remove its EXIF orientation or mend the annotations"
        )
