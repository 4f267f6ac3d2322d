"""What annotation tools, converters and lists of names are like in the field."""

import json

from tests.tools.odd_files import SIZE, TRUTH, edited, every, rectangle, rle


def images(**fields) -> dict:
    return edited(TRUTH, lambda t: [image.update(fields) for image in t["images"]])


def second_category(**fields) -> dict:
    return edited(TRUTH, lambda t: t["categories"][1].update(fields))


def boxes(change) -> dict:
    """The truth without masks, its boxes changed."""

    def edit(truth: dict) -> None:
        for annotation in truth["annotations"]:
            annotation.update(bbox=change(annotation["bbox"]), segmentation=None)

    return edited(TRUTH, edit)


# Content, and what the one line says.
REFUSED = {
    "Roboflow's category 0": (
        edited(TRUTH, lambda t: t["categories"].insert(0, {"id": 0, "name": "cat"})),
        "name cat is used twice",
    ),
    "LabelMe": ({"version": "5", "shapes": [], "imagePath": "a.jpg"}, "LabelMe's own format"),
    "VIA": ({"_via_settings": {}, "_via_img_metadata": {}}, "VIA's own format"),
    "VIA by image": ({"a.jpg1": {"filename": "a.jpg", "regions": []}}, "VIA's own format"),
    "Supervisely": ({"size": {"height": 8, "width": 8}, "objects": []}, "Supervisely's own format"),
    "FiftyOne": ({"samples": []}, "FiftyOne's own format"),
    "SuperAnnotate": ({"metadata": {}, "instances": []}, "SuperAnnotate's own format"),
    "V7": ({"version": "2.0", "item": {}, "annotations": []}, "V7 Darwin's own format"),
    "Datumaro": ({"info": {}, "categories": {}, "items": []}, "Datumaro's own format"),
    "GeoJSON": ({"type": "FeatureCollection", "features": []}, "with the lists images"),
    "panoptic": (every(TRUTH, segments_info=[], category_id=...), "panoptic format"),
    "Label Studio": ([{"id": 1, "annotations": [], "data": {}}], "bare list"),
    "CreateML": ([{"image": "a.jpg", "annotations": []}], "bare list"),
    "Pascal VOC": ("<annotation><folder>x</folder></annotation>", "not a JSON file"),
    "YOLO": ("0 0.5 0.5 0.1 0.1\n", "not a"),
    "JSON lines": ('{"images": []}\n{"images": []}\n', "not a JSON file"),
    "a comment": ('// mine\n{"images": []}', "not a JSON file"),
    "a trailing comma": ('{"images": [],}', "not a JSON file"),
    "single quotes": ("{'images': []}", "not a JSON file"),
    "gzip": (b"\x1f\x8b\x08\x00abc", "compressed"),
    "xz": (b"\xfd7zXZ\0", "compressed"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x24", "compressed"),
    "zip": (b"PK\x03\x04abc", "compressed"),
    "two lists": ('{"images": [], "images": []}', 'two lists "images"'),
    "images by id": ({**TRUTH, "images": {"1": TRUTH["images"][0]}}, 'no list "images"'),
    "no images, no annotations": ({**TRUTH, "images": [], "annotations": []}, "has no images"),
    "file name with NUL": (images(file_name="a\0.jpg"), "has a NUL character"),
    "ids that decimals blur": (
        json.dumps(TRUTH).replace('"id": 1,', '"id": 1e16,', 1), "64 bits hold exactly"
    ),
    "half ids": (edited(TRUTH, lambda t: t["images"][0].update(id=1.5)), "id 1.5"),
    "half widths": (images(width=64.5), "width is 64.5"),
    "iscrowd 2": (every(TRUTH, iscrowd=2), "iscrowd is 2"),
    "iscrowd -1": (every(TRUTH, iscrowd=-1), "iscrowd is -1"),
    "iscrowd a list": (every(TRUTH, iscrowd=[0]), "iscrowd is [0]"),
    "area negative": (every(TRUTH, area=-3), "area is -3"),
    "area a text": (every(TRUTH, area="12"), "area is '12'"),
    "area a list": (every(TRUTH, area=[12]), "area is [12]"),
    "area NaN": (every(TRUTH, area=float("nan")), "area is nan"),
    "area beyond floats": (
        json.dumps(TRUTH).replace('"area": 300', '"area": 1e400'), "area is inf"
    ),
    "box with null": (every(TRUTH, bbox=[1, 2, None, 4]), "not four numbers"),
    "box a text": (every(TRUTH, bbox="[1, 2, 3, 4]"), "not four numbers"),
    "box in a list": (every(TRUTH, bbox=[[1, 2, 3, 4]]), "not four numbers"),
    "box by names": (every(TRUTH, bbox={"x": 1, "y": 2, "w": 3, "h": 4}), "not four numbers"),
    "mask a list as text": (every(TRUTH, segmentation="[]"), "neither polygons nor RLE"),
    "mask of NaN": (every(TRUTH, segmentation=[[1, 2, float("nan"), 4, 5, 6]]), "x, y, x, y"),
    "mask too deep": (every(TRUTH, segmentation=[[[1, 2], [3, 4], [5, 6]]]), "x, y, x, y"),
    "mask by axis": (every(TRUTH, segmentation={"x": [1, 2], "y": [3, 4]}), "RLE of size None"),
    "RLE of Python's bytes": (
        every(TRUTH, segmentation={"size": SIZE, "counts": "b'0`1'"}), "damaged RLE"
    ),
    "RLE of texts": (every(TRUTH, segmentation={"size": SIZE, "counts": ["3072"]}), "not whole"),
    "RLE of width, height": (
        every(TRUTH, segmentation={**rle(rectangle(1, 1, 4, 4)), "size": SIZE[::-1]}),
        "RLE of size [64, 48]",
    ),
    "category named in space": (second_category(name=" cat "), "name cat is used twice"),
    "category a number": (second_category(name=7), "name is 7, not text"),
    "category without letters": (second_category(name=" "), "name is empty"),
    "no categories": ({**TRUTH, "categories": []}, "category_id 1 is not among"),
    "no images": ({**TRUTH, "images": []}, "image_id 1 is not among"),
    "one id for all": (every(TRUTH, id=7), "id 7 is used twice"),
}  # fmt: skip

# Content, and what is warned of, if anything.
TAKEN = {
    "ids as decimals": (
        edited(TRUTH, lambda t: [i.update(id=float(i["id"])) for i in t["images"]]), "2 ids in text"
    ),
    "paths of Windows": (
        edited(TRUTH, lambda t: [i.update(file_name=f"in\\{i['file_name']}") for i in t["images"]]),
        "",
    ),
    "another tool's info": ({**TRUTH, "info": {"provenance": {"source": {"root": 3}}}}, ""),
    "sizes as decimals": (images(width=64.0), ""),
    "ids from 0": (edited(TRUTH, lambda t: t["annotations"][0].update(id=0)), ""),
    "no info, no licenses": ({**TRUTH, "info": None, "licenses": None}, ""),
    "one picture twice": (images(file_name="a.jpg"), "1 images of a file_name"),
    "masks {}": (every(TRUTH, segmentation={}), ""),
    "masks null": (every(TRUTH, segmentation=None), ""),
    "boxes in shares": (boxes(lambda box: [v / 64 for v in box]), "fit as shares of the image's"),
    "boxes in corners": (
        boxes(lambda box: [*box[:2], box[0] + box[2], box[1] + box[3]]), "1 would fit as x1, y1"
    ),
    "boxes of points": (boxes(lambda box: [*box[:2], 0, 0]), "with a box without area"),
}  # fmt: skip

NAME_FILES = {
    "capitals.txt": (b"Cat\ncat\n", "capitals aside: cat"),
    "byte_order_mark.txt": (b"\xef\xbb\xbfcat\r\ncat\r\n", "more than once: cat"),
    "one_line.txt": (b"cat, dog, cat\n", "more than once: cat"),
    "numbered.txt": (b"0 cat\n1 dog\n", "lines are numbered"),
    "with_colons.txt": (b"0: cat\n1: dog\n", "lines are numbered"),
    "table.csv": (b"id,name\n1,cat\n2,dog\n", "lines are numbered"),
    "quoted.txt": (b'"cat"\n"dog"\n', "quotation marks"),
    "labels.xml": (b'<View><Label value="cat"/></View>', "XML"),
    "nul.txt": (b"cat\0\ndog\n", "no text"),
    "novel.txt": (b"cat " * 100, "more than 300 characters"),
    "list.txt": (b'["cat", "cat"]', "more than once: cat"),
    "truth.yaml": (b"names: [yes, no]\n", "true and false"),
    "count.yaml": (b"nc: 3\nnames: [cat, dog]\n", "nc is 3"),
    "null.yaml": (b"names:\n- cat\n- ~\n", "has no list of 'names'"),
    "deep.yaml": (b"names:\n- [cat]\n", "has no list of 'names'"),
    "text.yml": (b"names: cat, dog\n", "has no list of 'names'"),
    "ids.json": (b'{"cat": 0, "dog": 1}', "holds no names"),
    "sheet.txt": (b"PK\x03\x04\xff\xfe", "UTF-8"),
}
