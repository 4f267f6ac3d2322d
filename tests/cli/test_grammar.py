"""One grammar for all subcommands: mistakes end at once, with one line that names the way out."""

import pytest

from zipseg.cli.grammar import is_key
from zipseg.cli.main import COMMANDS, main

TINY = "Test/zip_tiny_random.yaml"


def said(words: list[str], capsys) -> str:
    """What a command line that cannot run says, without any output."""
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    return err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: zipseg {name}" in out
    assert f"zipseg {name}" in out.split("\n\n", 1)[1]  # an example
    assert ("[KEY VALUE ...]" in out) == ("KEY VALUE pairs at the end" in out)


def test_the_overview_has_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("zipseg ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predct"], "no command 'predct'; did you mean 'predict'?"),
        (["zzz"], "there are demo, predict,"),
        (["predict", "a.jpg", "--nams", "cat"], "no option --nams; did you mean --names?"),
        (["predict", "a.jpg", "--nams=cat"], "did you mean --names?"),
        (["predict", "--names", "cat"], "the following arguments are required: IMAGE"),
        (["predict", "a.jpg", "--weights", "big"], "invalid choice: 'big'"),
        (["predict", "none.jpg", "--names", "cat"], "none.jpg: no such file or folder"),
        (["predict", "none/*.jpg", "--names", "cat"], "none/*.jpg: no such file or folder"),
        (["predict", ".", "--names", "none.txt"], "--names none.txt: no such file"),
        (["predict", ".", "--config-file", "none.yaml"], "'none.yaml' does not exist"),
        (["predict", ".", "MODEL.DEVICE"], "MODEL.DEVICE has no value"),
        (["predict", ".", "MODEL.DEVICE", "cpu", "--score", "1"], "KEY VALUE pairs come last"),
        (["train", "--config-file", TINY, "DATASETS.TEST", "(a,", "b)"], "KEY VALUE pairs come"),
        (["label", "--config-file", TINY, "--output", "o"], "give images (files, folders, globs)"),
        (["label", ".", "--config-file", TINY, "--output", "o"], "images and --names go together"),
        (["label", ".", "--names", "a", "--config-file", TINY, "--output", "x"], "x is a file"),
        (["evaluate", "none.json", "none.json", "--output", "o"], "none.json: no such file"),
        (["evaluate", ".", ".", "--output", "o"], ".: a folder; expected a COCO- or LVIS-format"),
        (["compare", "zip=none"], "none: no such file or folder"),
        (["report", "none"], "none: no such folder; expected that of a labelling run"),
        (["report", "."], "labels.json: no such file; expected the labels of a finished run"),
        (["filter", "none.json", "o.json"], "none.json: no such file"),
        (["filter", "x", "."], ".: is a folder; name the file to write"),
        (["merge", "x", "none.json", "o.json"], "none.json: no such file"),
        (["splits"], "give a file or --dataset NAME"),
        (["splits", "none.json"], "none.json: no such file"),
        (["lost", "--config-file", "none.yaml", "--output", "o"], "'none.yaml' does not exist"),
        (["demo", "--output", "x"], "x is a file; name a folder"),
        (["train", "--config-file", TINY, "OUTPUT_DIR", "x/y"], "OUTPUT_DIR x/y: x is a file;"),
        (["download", "--config-file", "COCO/zip_RN50.yaml"], "did you mean 'COCO/zip_RN50_ViT"),
        (
            [
                *("self-train", "--config-file", TINY, "--zip-config", "none.yaml"),
                *("--dataset", "d", "--output", "o"),
            ],
            "'none.yaml' does not exist",
        ),
    ],
)
def test_mistakes_end_in_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("{}")
    err = said(words, capsys)
    assert message in err
    assert len(err.strip().splitlines()) <= 2  # the second one points to --help


@pytest.mark.parametrize(
    "words",
    [
        ["predict", ".", "--names", "a"],
        ["splits", "x"],
        ["self-train", "--config-file", TINY, "--zip-config", TINY, "--dataset", "d"],
        ["evaluate", "x", "x"],
        ["compare", "run"],
        ["lost", "--config-file", TINY],
    ],
    ids=lambda words: words[0],
)
def test_a_file_where_a_folder_is_to_be_written(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("{}")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evaluation.json").write_text("{}")
    assert "--output x: x is a file; name a folder" in said([*words, "--output", "x"], capsys)


def test_a_base_that_is_missing_is_named(capsys, tmp_path):
    (tmp_path / "own.yaml").write_text('_BASE_: "none.yaml"\nSEED: 1\n')
    err = said(["train", "--config-file", str(tmp_path / "own.yaml")], capsys)
    assert f"its _BASE_ '{tmp_path / 'none.yaml'}' does not exist" in err


def test_photographs_are_not_taken_for_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_key("MODEL.ZIP.SEGMENTER.WEIGHTS")
    assert is_key("OUTPUT_DIR")
    assert not is_key("IMG_1234.JPG")
    assert not is_key("photos")
    (tmp_path / "TEST.JPG").touch()
    assert not is_key("TEST.JPG")


def test_the_input_is_never_overwritten_unasked(capsys, tmp_path, monkeypatch):
    labels = tmp_path / "labels.json"
    labels.write_text('{"images": [], "annotations": [], "categories": []}')
    (tmp_path / "same.json").symlink_to(labels)
    monkeypatch.chdir(tmp_path)
    for words in (
        ["filter", "labels.json", str(labels)],
        ["filter", "labels.json", "same.json"],
        ["merge", "labels.json", "labels.json", "same.json"],
    ):
        assert "would be overwritten; name another file, or give --overwrite" in said(words, capsys)
    assert main(["filter", "labels.json", "labels.json", "--overwrite"]) == 0
