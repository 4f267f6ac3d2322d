"""Declarations of rows: the matrix, what rows need, and mistakes."""

import pytest
import yaml

from zipseg.experiments.tables.rows import read_rows
from zipseg.utils.errors import ZipSegError

TABLES = {
    "rounds": {
        "title": "Rounds",
        "note": "Read this first.",
        "columns": {"labels": "labels.annotations", "mask AP": "segm.AP"},
        "less_first": "mask AP",
    },
    "shares": {"title": "Shares", "across": "percent", "columns": {"mask AP": "segm.AP"}},
    "more": {"title": "More", "columns": {"AP": "segm.AP", "recall": "best_f1.recall"}},
}
ZIP = {"name": "zip", "table": "rounds", "title": "Zip", "config": "zip.yaml"}
ROUND = {**ZIP, "name": "round1", "title": "1", "labels": {"of": "zip", "min_score": 0.1}}
SHARE = {
    "name": "share-{percent}-{seed}",
    "table": "shares",
    "title": "tuned",
    "config": "tune.yaml",
    "matrix": {"seed": [0, 1], "percent": [1, 10]},
    "opts": ["SEED", "{seed}"],
    "labels": {"dataset": "d", "percent": "{percent}", "seed": "{seed}"},
    "start": "round1",
}


COMPARED = {"name": "c", "table": "more", "title": "c", "measure": "comparison"}
PROBE = {"name": "p", "table": "more", "title": "p", "measure": "boundaries"}


def read(tmp_path, *rows, tables=TABLES):
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump({"dataset": "d", "tables": tables, "rows": list(rows)}))
    return read_rows(path)


def test_the_matrix(tmp_path):
    found = read(tmp_path, ZIP, ROUND, SHARE)
    names = ["zip", "round1", "share-1-0", "share-10-0", "share-1-1", "share-10-1"]
    assert list(found.rows) == names
    row = found.rows["share-10-1"]
    assert row.opts == ("SEED", "1")
    assert row.labels == {"dataset": "d", "percent": 10, "seed": 1}
    assert row.keys == {"seed": 1, "percent": 10}
    assert [r.name for r in found.closure("share-10-1")] == ["zip", "round1", "share-10-1"]


def test_first_seeds_come_first(tmp_path):
    other = {**SHARE, "name": "other-{percent}-{seed}"}
    names = list(read(tmp_path, ZIP, ROUND, SHARE, other).rows)
    assert names.index("other-10-0") < names.index("share-1-1")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ZIP, "tables": "x"}], r"row zip: needs name, table, title"),
        ([{"name": "x"}], r"row x: needs"),
        (["x"], r"row x: needs"),
        ([ZIP, ZIP], "two rows 'zip'"),
        ([{**ZIP, "table": "x"}], "no table 'x'"),
        ([ROUND, ZIP], "needs 'zip', which no earlier row is"),
        ([ZIP, {**ROUND, "labels": {"of": "zip", "score": 1}}], "labels are"),
        ([ZIP, {**ROUND, "labels": {"percent": 1}}], "labels are"),
        ([ZIP, {**ROUND, "labels": {"of": "zip", "merge": {"x": 1}}}], "labels are"),
        ([ZIP, {**ROUND, "labels": {"of": "zip", "merge": {}}}], "'zip' was not trained"),
        ([ZIP, ROUND, {**SHARE, "config": "{size}.yaml"}], "its matrix has no 'size'"),
        ([{**ZIP, "measure": "speed"}], "measures 'speed'; there are evaluation, attribution"),
        ([{**PROBE, "config": "zip.yaml"}], "boundaries has no config"),
        ([{**PROBE, "measure": "evaluation"}], "evaluation needs config"),
        ([ZIP, {**COMPARED, "options": {"rows": ["zip"]}}], "a comparison has options"),
        ([ZIP, {**COMPARED, "options": {"rows": ["zip", "x"]}}], "needs 'x', which no earlier"),
        ([ZIP, PROBE, {**COMPARED, "options": {"rows": ["zip", "p"]}}], "that are not evaluated"),
    ],
)
def test_mistakes(tmp_path, rows, message):
    with pytest.raises(ZipSegError, match=message):
        read(tmp_path, *rows)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "table t: needs a title and has some of"),
        ({"title": "T"}, "needs columns"),
        ({"title": "T", "columns": {"a": "x"}, "less_first": "b"}, "'b', which is no column"),
        ({"title": "T", "columns": {"a": "x", "b": "y"}, "across": "k"}, "one column, not 2"),
    ],
)
def test_mistakes_in_tables(tmp_path, table, message):
    with pytest.raises(ZipSegError, match=message):
        read(tmp_path, tables={"t": table})


def test_another_file(tmp_path):
    with pytest.raises(ZipSegError, match="cannot be read"):
        read_rows(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("[]")
    with pytest.raises(ZipSegError, match="needs dataset, tables and rows"):
        read_rows(tmp_path / "list.yaml")
