"""Every kind of image file that COCO's users meet."""

import numpy as np
import pytest
from PIL import Image

from zipseg.data.images import list_images, read_image, suffixes
from zipseg.utils.errors import ImageError


@pytest.fixture
def rgb(tmp_path, picture):
    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    return path


def test_channels_come_in_the_asked_order(rgb, picture):
    assert np.array_equal(read_image(rgb, "RGB"), picture)
    assert np.array_equal(read_image(rgb, "BGR"), picture[:, :, ::-1])


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr"])
def test_other_modes_become_rgb(tmp_path, picture, mode):
    path = tmp_path / f"image.{'jpg' if mode in ('CMYK', 'YCbCr') else 'png'}"
    Image.fromarray(picture).convert("RGBA" if mode == "LA" else "RGB").convert(mode).save(path)
    image = read_image(path, "RGB")
    assert image.shape == picture.shape
    assert image.dtype == np.uint8
    if mode not in ("1", "P"):
        gray = picture @ np.array([0.299, 0.587, 0.114])
        assert np.abs(image.mean(axis=2) - gray).mean() < 30


def test_16_bit_grayscale_keeps_its_tones(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png", "RGB")
    assert np.abs(image[0, :, 0].astype(int) - np.arange(256)).max() <= 1


DEEP = {
    "float": (np.float32([[0.0, 0.5, 1.0]]), [0, 128, 255]),
    "float with NaN": (np.float32([[-1, np.nan, 0, 1]]), [0, 0, 128, 255]),
    "float with infinities": (np.float32([[np.inf, 2, 4, -np.inf]]), [255, 0, 255, 0]),
    "float with a map's mark": (np.float32([[-9999, 10, 20, 30]]), [0, 0, 128, 255]),
    "nothing finite": (np.float32([[np.nan, np.nan]]), [0, 0]),
    "32 bits": (np.int32([[0, 51, 255]]), [0, 51, 255]),
    "32 bits beyond 16": (np.int32([[-70000, 0, 70000]]), [0, 128, 255]),
    "12 bits in 16": (np.uint16([[0, 1024, 4095]]), [0, 64, 255]),
    "16 bits": (np.uint16([[0, 6554, 65535]]), [0, 26, 255]),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_images_are_scaled_by_their_finite_range(kind, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("zipseg.data.images._told", set())
    values, expected = DEEP[kind]
    for number in range(2):
        Image.fromarray(values).save(tmp_path / f"{number}.tif")
        assert read_image(tmp_path / f"{number}.tif", "RGB")[0, :, 1].tolist() == expected
    assert caplog.text.count("spread over the range") == (kind != "16 bits")  # one for both


def test_exif_orientation_is_applied(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(picture).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png", "RGB"), np.rot90(picture, -1))


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "dot.png")
    assert read_image(tmp_path / "dot.png", "RGB").tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"not an image", "cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "cannot be decoded"),
    ],
)
def test_files_that_are_no_image(tmp_path, content, message):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"bad\.png: .*{message}"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_files(tmp_path, picture, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(picture).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageError, match=r"cut\..*cannot be decoded"):
        read_image(path)


def test_huge_images_are_refused_before_decoding(rgb):
    with pytest.raises(ImageError, match=r"80 x 60 is more than 4,799 pixels; .*INPUT\.MAX_PIXELS"):
        read_image(rgb, max_pixels=4799)
    assert read_image(rgb, max_pixels=4800).shape == (60, 80, 3)


def test_the_limit_is_the_only_one(tmp_path):
    Image.new("1", (30_000, 6_000)).save(tmp_path / "large.png")  # more than Pillow's own limit
    with pytest.raises(ImageError, match=r"INPUT\.MAX_PIXELS"):
        read_image(tmp_path / "large.png")
    assert Image.MAX_IMAGE_PIXELS is None


def test_every_suffix_that_pillow_reads_and_the_rest_counted(tmp_path, caplog, picture):
    saved = {
        ".jfif": "JPEG",
        ".jpe": "JPEG",
        ".png": "PNG",
        ".ppm": "PPM",
        ".tiff": "TIFF",
        ".mpo": "JPEG",
    }
    for optional, suffix in (("JPEG2000", ".jp2"), ("AVIF", ".avif")):
        if optional in Image.SAVE:
            saved[suffix] = optional
    for suffix, kind in saved.items():
        Image.fromarray(picture).save(tmp_path / f"x{suffix}", kind)
    for name in ("a.txt", "b.txt", "six.heic", "README", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    found = list_images(tmp_path)
    heic = ".heic" in suffixes()
    assert {path.suffix for path in found} == set(saved) | ({".heic"} if heic else set())
    for path in found:
        if path.suffix != ".heic":
            assert read_image(path).shape == picture.shape
    (line,) = [record.getMessage() for record in caplog.records]
    for told in ("2 .txt", "1 without a suffix", "1 hidden"):
        assert told in line
    assert heic or ("1 .heic" in line and "pillow-heif" in line)


def test_links_are_followed_without_cycles(tmp_path, rgb, caplog):
    inside, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    for name in ("two.png", "three.png"):
        (elsewhere / name).write_bytes(rgb.read_bytes())
    (inside / "linked").symlink_to("../elsewhere")
    (inside / "three.png").symlink_to("../elsewhere/three.png")
    (inside / "broken.png").symlink_to("nowhere.png")
    (elsewhere / "back").symlink_to("../in")
    found = [str(path.relative_to(inside)) for path in list_images(inside)]
    assert found == ["linked/three.png", "linked/two.png", "three.png"]
    assert "1 folders that links lead to again" in caplog.text
    assert "1 links to nothing" in caplog.text


def test_folders_list_their_images_only(tmp_path, rgb):
    for folder in ("sub", "empty", ".thumbnails"):
        (tmp_path / folder).mkdir()
    for name in ("sub/b.JPG", "notes.txt", ".hidden.png", ".thumbnails/c.png"):
        (tmp_path / name).write_bytes(b"x")
    found = [str(path.relative_to(tmp_path)) for path in list_images(tmp_path)]
    assert found == ["picture.png", "sub/b.JPG"]
    with pytest.raises(ImageError, match="holds no image"):
        list_images(tmp_path / "empty")
    with pytest.raises(ImageError, match="no such folder"):
        list_images(tmp_path / "missing")
