"""Comparison tables, through the command line."""

import json
import shutil

import pytest
from tests.evaluation.perturbed import perturb, small_dataset
from tools import compare, evaluate

from zipseg.evaluation.comparison import PUBLISHED, load_published
from zipseg.utils.errors import ZipSegError

DATASET = small_dataset(images=10)
UNSEEN = "plum,fig"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two evaluated runs, "base" and "other", on a data set that the published rows are of."""
    folder = tmp_path_factory.mktemp("runs")
    annotations = folder / "instances_val2017.json"
    annotations.write_text(json.dumps(DATASET))
    for seed, name in enumerate(("base", "other")):
        predictions = folder / f"{name}.json"
        predictions.write_text(json.dumps(perturb(DATASET, seed)))
        protocols = ["--protocols", "coco", "class_agnostic", "open_vocabulary", "--novel", UNSEEN]
        output = ["--output", str(folder / name)]
        evaluate.main([str(annotations), str(predictions), *protocols, *output])
    return folder


def test_tables_in_three_formats(runs, tmp_path, capsys):
    arguments = [str(runs / "base"), f"Ours & more={runs / 'other'}", "--samples", "50"]
    compare.main([*arguments, "--output", str(tmp_path)])
    markdown = capsys.readouterr().out
    assert markdown == (tmp_path / "comparison.md").read_text()
    comparison = {c["task"]: c for c in json.loads((tmp_path / "comparison.json").read_text())}

    base, other = comparison["segm"]["rows"]
    truth = json.loads((runs / "other" / "evaluation.json").read_text())["results"]["segm"]["AP"]
    assert other["metrics"]["AP"] == truth
    assert other["difference"]["AP"] == pytest.approx(truth - base["metrics"]["AP"])
    interval = comparison["segm"]["intervals"]["Ours & more"]["AP"]
    assert interval["difference"] == pytest.approx(other["difference"]["AP"])
    assert interval["low"] <= interval["high"]
    assert f"{truth:.1f} ({other['difference']['AP']:+.1f})" in markdown
    assert {"AP50_novel", "AP50_base"} <= comparison["bbox_open_vocabulary"]["intervals"][
        "Ours & more"
    ].keys()

    published = [row for row in comparison["bbox_open_vocabulary"]["rows"] if row["published"]]
    assert {row["images"] for row in published} == {4836}
    assert all(row["source"] and not row["difference"] for row in published)
    assert "*ViLD, R50-FPN, base annotations* (published)" in markdown
    assert "- published, ViLD, R50-FPN, base annotations: Gu et al." in markdown
    latex = (tmp_path / "comparison.tex").read_text()
    assert "Ours \\& more" in latex
    assert "segm\\_open\\_vocabulary" in latex
    assert latex.count("\\begin{tabular}") == latex.count("\\end{tabular}") == 6


def test_the_same_images_by_another_name_get_an_interval(runs, tmp_path, capsys):
    copy = tmp_path / "instances_renamed.json"
    copy.write_text(json.dumps(DATASET))
    other = str(tmp_path / "other")
    evaluate.main([str(copy), str(runs / "other.json"), "--output", other])
    compare.main([str(runs / "base"), other, "--samples", "20"])
    assert "95 % interval" in capsys.readouterr().out


def test_why_an_interval_is_missing(runs, tmp_path, capsys):
    fewer = small_dataset(images=6)
    (tmp_path / "few.json").write_text(json.dumps(fewer))
    (tmp_path / "found.json").write_text(json.dumps(perturb(fewer, 1)))
    files = [str(tmp_path / "few.json"), str(tmp_path / "found.json")]
    evaluate.main([*files, "--output", str(tmp_path / "fewer")])
    shutil.copytree(
        runs / "other", tmp_path / "bare", ignore=shutil.ignore_patterns("matches_*.npz")
    )
    words = [str(runs / "base"), str(tmp_path / "fewer"), str(tmp_path / "bare")]
    compare.main([*words, "--samples", "20", "--output", str(tmp_path / "table")])
    out = capsys.readouterr().out
    assert "fewer less base: no interval, not on the same images and annotations as base" in out
    assert "bare less base: no interval, bare kept no matches; evaluate it again" in out
    (boxes, *_) = json.loads((tmp_path / "table" / "comparison.json").read_text())
    assert set(boxes["without_interval"]) == {"fewer", "bare"}
    assert not next(row for row in boxes["rows"] if row["name"] == "fewer")["difference"]


def test_latex_is_printed_on_demand_and_intervals_can_be_left_out(runs, capsys):
    arguments = [str(runs / "base"), str(runs / "other"), "--samples", "0", "--format", "latex"]
    compare.main(arguments)
    text = capsys.readouterr().out
    assert text.startswith("\\begin{tabular}")
    assert "interval" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{runs}"], "2 files evaluation.json below it"),
        (["{runs}/base", "{runs}/base"], "two runs are called ['base']"),
        (["{runs}/nowhere"], "no such file"),
        (["{runs}/base", "--published", "{runs}/base/evaluation.json"], "not a list of objects"),
    ],
)
def test_errors_are_one_line(runs, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        compare.main([a.format(runs=runs) for a in arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": ...},
        {"images": "many"},
        {"results": []},
        {"results": {"segm": "high"}},
        {"results": {"segm": {"AP": "high"}}},
        {"groups": {"segm": 3}},
    ],
)
def test_damaged_evaluations_are_named(change, runs, tmp_path, capsys):
    content = json.loads((runs / "base" / "evaluation.json").read_text()) | change
    content = {key: value for key, value in content.items() if value is not ...}
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit) as stopped:
        compare.main([str(path), str(runs / "base")])
    assert stopped.value.code == 2
    assert f"error: {path}: damaged or changed" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["3", "[3]", "[null]", '{"rows": []}'])
def test_published_rows_are_objects(content, tmp_path):
    (tmp_path / "published.json").write_text(content)
    with pytest.raises(ZipSegError, match=r"published.json: not a list of objects"):
        load_published(tmp_path / "published.json")


def test_every_published_row_has_a_source_and_percentages():
    rows = load_published(PUBLISHED)
    assert len(rows) >= 7
    for row in rows:
        assert row["source"]
        assert all(0 < value < 100 for value in row["metrics"].values())
