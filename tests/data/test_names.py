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


def test_unusable_files(tmp_path):
    with pytest.raises(NamesError, match=r"missing\.txt: no such file"):
        read_names(str(tmp_path / "missing.txt"))
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(NamesError, match=r"latin\.txt: cannot be read as UTF-8"):
        read_names(str(tmp_path / "latin.txt"))
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(NamesError, match=r"empty\.txt: holds no names"):
        read_names(str(tmp_path / "empty.txt"))
