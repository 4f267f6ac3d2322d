"""Malformed inputs of every kind that a labelling run may be given, each with what the message or
failure record has to say about it."""

import copy
import io
import json
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as mask_util

RLE = {
    "size": [8, 10],
    "counts": mask_util.encode(np.ones((8, 10), np.uint8, "F"))["counts"].decode(),
}
GOOD = {
    "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 10}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 10, 8], "segmentation": RLE}
    ],
}


def changed(path: str, value: object) -> dict:
    """GOOD with one field replaced; "-" removes it."""
    labels = copy.deepcopy(GOOD)
    *parents, last = [int(x) if x.isdigit() else x for x in path.split("/")]
    target = labels
    for key in parents:
        target = target[key]
    if value == "-":
        del target[last]
    else:
        target[last] = value
    return labels


ANNOTATION_FILES = {
    "empty": ("", "not a JSON file"),
    "torn": (json.dumps(GOOD)[:-9], "not a JSON file"),
    "binary": (b"\xff\xfe\x00\x01", "not a JSON file"),
    "deeply nested": ("[" * 100_000, "a bare list"),
    "a number": ("3", "not a COCO-format file"),
    "results": ([{"image_id": 1}], "bare list"),
    "no images": (changed("images", "-"), 'no list "images"'),
    "images an object": (changed("images", {}), 'no list "images"'),
    "annotations null": (changed("annotations", None), 'no list "annotations"'),
    "an image a text": (changed("images/0", "a.png"), r"images\[0\] is not an object"),
    "image id a text": (changed("images/0/id", "one"), r"images\[0\]: id 'one' is no whole number"),
    "image id twice": (changed("images", GOOD["images"] * 2), r"images\[1\]: id 1 is used twice"),
    "no height": (changed("images/0/height", "-"), "height is None"),
    "height 0": (changed("images/0/height", 0), "height is 0"),
    "width a text": (changed("images/0/width", "10"), "width is '10'"),
    "width NaN": (changed("images/0/width", float("nan")), "width is nan"),
    "width huge": (changed("images/0/width", 1 << 40), "width is"),
    "no file name": (changed("images/0/file_name", "-"), "has no file_name"),
    "category twice": (changed("categories/1/id", 1), "id 1 is used twice"),
    "category without name": (changed("categories/0/name", "-"), "has no name"),
    "unknown image": (changed("annotations/0/image_id", 2), "image_id 2 is not among"),
    "unknown category": (changed("annotations/0/category_id", 2), "category_id 2 is not among"),
    "category a list": (changed("annotations/0/category_id", [1]), r"category_id \[1\]"),
    "box of three": (changed("annotations/0/bbox", [1, 2, 3]), "not four numbers"),
    "box NaN": (changed("annotations/0/bbox", [1, 2, 3, float("nan")]), "not four numbers"),
    "box negative": (changed("annotations/0/bbox", [5, 5, -1, 2]), "negative size"),
    "score a text": (changed("annotations/0/score", "high"), "score 'high'"),
    "segmentation a text": (changed("annotations/0/segmentation", "x"), "neither polygons nor RLE"),
    "odd polygon": (changed("annotations/0/segmentation", [[1, 2, 3, 4, 5, 6, 7]]), "x, y, x, y"),
    "polygon of texts": (changed("annotations/0/segmentation", [["1"] * 6]), "x, y, x, y"),
    "polygons too deep": (changed("annotations/0/segmentation", [[[1, 2, 3, 4, 5, 6]]]), "x, y"),
    "RLE of another size": (changed("annotations/0/segmentation/size", [10, 8]), "RLE of size"),
    "RLE without counts": (changed("annotations/0/segmentation/counts", "-"), "without counts"),
    "RLE damaged": (changed("annotations/0/segmentation/counts", "0P2o0"), "damaged RLE"),
    "RLE odd characters": (changed("annotations/0/segmentation/counts", "\x00 ~"), "damaged RLE"),
    "RLE without end": (changed("annotations/0/segmentation/counts", "oooooo"), "damaged RLE"),
    "RLE too short": (changed("annotations/0/segmentation/counts", [3, 4]), "damaged RLE"),
    "RLE negative": (changed("annotations/0/segmentation/counts", [-80, 160]), "whole numbers"),
    "RLE of floats": (changed("annotations/0/segmentation/counts", [80.0]), "whole numbers"),
    "info a list": (changed("info", [1]), '"info" is not an object'),
    "info a text": (changed("info", "mine"), '"info" is not an object'),
    "image id huge": (changed("images/0/id", 10**30), r"images\[0\]: id 10+ is no whole number"),
    "image id true": (changed("images/0/id", True), r"images\[0\]: id True is no whole number"),
    "height beyond floats": (changed("images/0/height", 10**400), "height is 10"),
    "file name half a character": (changed("images/0/file_name", "\ud83d.png"), "is not text"),
    "category half a character": (changed("categories/0/name", "\udfff\ud83d"), "is not text"),
    "category id null": (changed("categories/0/id", None), r"categories\[0\]: has no id"),
    "annotation a list": (changed("annotations/0", [1, 7]), r"annotations\[0\] is not an object"),
    "box beyond floats": (changed("annotations/0/bbox", [0, 0, 10**400, 1]), "not four numbers"),
    "score beyond floats": (changed("annotations/0/score", 10**400), "is not a number"),
    "score infinite": (changed("annotations/0/score", float("inf")), "score inf"),
    "neither box nor mask": (
        changed("annotations/0", {"image_id": 1, "category_id": 7}),
        "neither bbox nor segmentation",
    ),
    "polygon light years wide": (
        changed("annotations/0/segmentation", [[0, 0, 1e18, 0, 1e18, 5]]),
        "far outside",
    ),
    "RLE beyond 64 bits": (changed("annotations/0/segmentation/counts", [2**70]), "whole numbers"),
}


def png(size: tuple[int, int] = (16, 12)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, 7).save(file, "PNG")
    return file.getvalue()


IMAGES = {
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"hello world", "cannot be decoded"),
    "html.png": (b"<html><body>404</body></html>", "cannot be decoded"),
    "zeros.png": (bytes(1000), "cannot be decoded"),
    "head_only.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", "cannot be decoded"),
    "truncated.png": (png((200, 200))[:60], "cannot be decoded"),
    "half.png": (png((64, 64))[: len(png((64, 64))) // 2], "cannot be decoded"),
    "no_end.gif": (b"GIF89a\x10\x00\x10\x00", "cannot be decoded"),
    "short.bmp": (b"BM" + bytes(20), "cannot be decoded"),
    "short.tif": (b"II*\x00\x08\x00\x00\x00", "cannot be decoded"),
    "riff.webp": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "cannot be decoded"),
    "huge.png": (
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00",
        "",
    ),
    "negative.ppm": (b"P6 -3 4 255 ", "cannot be decoded"),
    "bomb.ppm": (b"P6 60000 60000 255 ", "pixels"),
    "shell.png": (b"#!/bin/sh\nrm -rf nothing\n", "cannot be decoded"),
    "pickle.jpg": (b"\x80\x04cos\nsystem\n.", "cannot be decoded"),
}

NAME_LISTS = {
    "empty": (b"", "no names"),
    "empty lines": (b"\n\n", "no names"),
    "a comment": (b"# only a comment\n", "no names"),
    "spaces": (b"  \t \n", "no names"),
    "twice": (b"a\nb\na\n", "more than once: a"),
    "twice but for space": (b"a\n a \n", "more than once: a"),
    "UTF-16": (b"\xff\xfe\x00", "UTF-8"),
    "Latin 1": (b"caf\xe9\n", "UTF-8"),
}


def sealed(content: object) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


RESULT = {"index": 0, "image": {"id": 1, "file_name": "a.png"}, "annotations": [], "time": 1.5}
FAILURE = {"index": 0, "image": {"id": 1, "file_name": "a.png"}, "failure": "x", "time": 1.5}
SHARD_LINES = {
    "empty line": b"\n",
    "no checksum": b'{"index": 0}\n',
    "binary": bytes(range(256)).replace(b"\n", b"") + b"\n",
    "wrong checksum": b'00000000 {"index":0,"failure":"x"}\n',
    "not JSON": sealed(b"{"),
    "a list": sealed([]),
    "no index": sealed({k: v for k, v in FAILURE.items() if k != "index"}),
    "index a float": sealed({**FAILURE, "index": 0.0}),
    "index a bool": sealed({**FAILURE, "index": True}),
    "index too large": sealed({**FAILURE, "index": 9}),
    "index negative": sealed({**FAILURE, "index": -1}),
    "failure not a text": sealed({**FAILURE, "failure": None}),
    "no image": sealed({**FAILURE, "image": None}),
    "image without id": sealed({**FAILURE, "image": {"file_name": "a.png"}}),
    "image without name": sealed({**FAILURE, "image": {"id": 1}}),
    "no time": sealed({**FAILURE, "time": None}),
    "neither result nor failure": sealed({**RESULT, "annotations": None}),
    "annotations a number": sealed({**RESULT, "annotations": 3}),
    "annotations of texts": sealed({**RESULT, "annotations": ["x"]}),
    "annotation without category": sealed({**RESULT, "annotations": [{"bbox": []}]}),
    "torn": sealed(FAILURE)[:-4],
}


CALLS = {
    "no such config": (["--config-file", "none.yaml"], "none.yaml"),
    "unknown key": (["MODEL.NO_SUCH_KEY", "3"], "NO_SUCH_KEY"),
    "half a pair": (["MODEL.MASK_ON"], "MODEL.MASK_ON"),
    "wrong type": (["MODEL.MASK_ON", "maybe"], "MASK_ON"),
    "no such architecture": (["MODEL.META_ARCHITECTURE", "Nothing"], "META_ARCHITECTURE"),
    "no such weights": (["MODEL.WEIGHTS", "/none/model.pth"], "/none/model.pth"),
    "two machines, one address": (["--num-machines", "2"], "--dist-url"),
    "no such names": (["--names", "none.txt"], "none.txt"),
    "no such folder": (["/none"], "/none"),
}
CONFIG_FILES = {
    "config not YAML": (b"MODEL: [", "config.yaml"),
    "config a list": (b"- 1\n- 2\n", "config.yaml"),
    "config binary": (b"\x00\xff\xfe", "config.yaml"),
    "config with code": (b"MODEL: !!python/object/apply:os.getcwd []\n", "config.yaml"),
    "config based on nothing": (b"_BASE_: none.yaml\n", "none.yaml"),
}


WEIGHTS = {
    "empty": b"",
    "text": b"hello",
    "pickle with code": b"\x80\x04cos\nsystem\n.",
    "torn archive": b"PK\x03\x04",
}

RUN_FILES = {
    "failures not JSON": ("failures.json", "[", "not a JSON file"),
    "failures binary": ("failures.json", b"\xff\xfe", "not a JSON file"),
    "failures an object": ("failures.json", {}, "not the file"),
    "failures of numbers": ("failures.json", [3], "not the file"),
    "failures without reason": ("failures.json", [{"file_name": "a.png"}], "not the file"),
    "summary a list": ("summary.json", [], "not the file"),
    "summary without throughput": ("summary.json", {"images": 3}, "not the file"),
    "summary of texts": (
        "summary.json",
        {"throughput": {"elapsed_seconds": "1", "images_per_second": 1, "timeline": {}}},
        "not the file",
    ),
}

# The scalar fields of a run's provenance may be anything: the report goes without.
ODD_INFO = [{"provenance": x} for x in (None, 3, "x", [], {"source": 3}, {"config": {"MODEL": 1}})]


# For property tests: any value at any place of ``GOOD``.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.integers(-3, 12),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.floats(-5, 15), max_size=8),
    st.dictionaries(st.sampled_from(["id", "size", "counts"]), st.integers(-2, 90), max_size=3),
)
PLACES = [
    "info", "licenses", "images", "categories", "annotations", "images/0", "categories/1",
    "annotations/0", "images/0/id", "images/0/file_name", "images/0/height", "images/0/width",
    "categories/0/id", "categories/0/name", "annotations/0/id", "annotations/0/image_id",
    "annotations/0/category_id", "annotations/0/bbox", "annotations/0/area",
    "annotations/0/iscrowd", "annotations/0/score", "annotations/0/segmentation",
    "annotations/0/segmentation/size", "annotations/0/segmentation/counts",
]  # fmt: skip
