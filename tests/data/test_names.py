"""Lists of names from files, options and configs."""

import pytest

from zipseg.data.names import NamesError, check_names, read_names


def test_files_have_a_name_a_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffcat\n# a comment\n\n  traffic light \n自転車\n", encoding="utf-8")
    assert read_names(str(path)) == ("cat", "traffic light", "自転車")


def test_lists_are_split_at_commas():
    assert read_names("cat, red star,, 犬 ") == ("cat", "red star", "犬")
    assert len(read_names(",".join(f"name {i}" for i in range(1203)))) == 1203


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "here: holds no names"),
        (["cat", " "], "here: name 2 is empty"),
        (["cat", "dog", "cat "], "here: named more than once: cat"),
    ],
)
def test_unusable_lists(names, message):
    with pytest.raises(NamesError, match=message):
        check_names(names, "here")


FILES = {
    "data.yaml": "train: images\nnc: 2\nnames: [cat, dog]\n",
    "numbered.yml": "names:\n  1: dog\n  0: cat\n",
    "yaml_in.txt": "nc: 2\nnames: ['cat', 'dog']\n",
    "coco.json": '{"categories": [{"id": 7, "name": "dog"}, {"id": 2, "name": "cat"}]}',
    "fiftyone.json": '{"classes": ["cat", "dog"], "labels": {}}',
    "fiftyone_metadata.json": '{"default_classes": ["cat", "dog"]}',
    "cvat.json": '[{"name": "cat", "color": "#f00", "attributes": []}, {"name": "dog"}]',
    "list.json": '["cat", "dog"]',
}


@pytest.mark.parametrize("name", FILES)
def test_other_tools_lists_of_names(name, tmp_path):
    (tmp_path / name).write_text(FILES[name])
    assert read_names(str(tmp_path / name)) == ("cat", "dog")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_other_encodings(encoding, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ncafé\n", encoding=encoding)
    assert read_names(str(tmp_path / "names.txt")) == ("cat", "café")


def test_unusable_files(tmp_path):
    with pytest.raises(NamesError, match=r"missing\.txt: no such file"):
        read_names(str(tmp_path / "missing.txt"))
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(NamesError, match=r"latin\.txt: cannot be read as UTF-8"):
        read_names(str(tmp_path / "latin.txt"))
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(NamesError, match=r"empty\.txt: holds no names"):
        read_names(str(tmp_path / "empty.txt"))
