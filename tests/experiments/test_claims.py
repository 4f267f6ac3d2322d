"""The page of claims: verdicts from kept rows."""

import json
from pathlib import Path

import pytest
import yaml

from zipseg.experiments.claims import write_claims
from zipseg.utils.errors import ZipSegError


def _keep(folder: Path, name: str, metrics: dict) -> None:
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": name, "metrics": metrics, "labels": None}))


def _claim(**fields) -> dict:
    common = {"claim": "C", "paper": "section 4", "measured": "AP", "at": "segm.AP", "why": "W."}
    return {**common, **fields}


def _verdict(folder: Path, *claims: dict) -> list[list[str]]:
    """Number, what is asked for, and whether it is held, of each claim."""
    declared = folder / "claims.yaml"
    declared.write_text(yaml.safe_dump(list(claims)))
    text = write_claims(declared, folder, folder / "claims.md")
    assert (folder / "claims.md").read_text() == text
    lines = [line for line in text.splitlines() if line.startswith("| C")]
    return [[cell.strip() for cell in line.strip("|").split("|")][2:] for line in lines]


def test_a_difference_is_held_by_its_size_and_its_interval(tmp_path):
    for name, low in (("sure", 1.0), ("unsure", -1.0)):
        _keep(tmp_path, f"t/{name}", {"segm": {"AP": {"difference": 3.0, "low": low, "high": 9.0}}})
    asked = [
        _claim(rows=["t/sure"], least=2),
        _claim(rows=["t/sure"], least=4),
        _claim(rows=["t/unsure"], least=0),
        _claim(rows=["t/unsure"]),
    ]
    assert _verdict(tmp_path, *asked) == [
        ["+3.0 (+1.0 to +9.0)", "at least +2", "yes"],
        ["+3.0 (+1.0 to +9.0)", "at least +4", "no"],
        ["+3.0 (-1.0 to +9.0)", "more than nothing", "no"],
        ["+3.0 (-1.0 to +9.0)", "", ""],
    ]


def test_seeds_are_held_against_their_spread(tmp_path):
    for seed, (own, other) in enumerate(((20.0, 10.0), (22.0, 12.0), (24.0, 14.0))):
        _keep(tmp_path, f"t/a{seed}", {"segm": {"AP": own}})
        _keep(tmp_path, f"t/b{seed}", {"segm": {"AP": other}})
    rows = {"rows": [f"t/a{n}" for n in range(3)], "less": [f"t/b{n}" for n in range(3)]}
    ((number, _, held),) = _verdict(tmp_path, _claim(least=6, **rows))
    assert (number, held) == ("+10.0 (22.0 ± 2.0 less 12.0 ± 2.0)", "yes")
    ((_, _, held),) = _verdict(tmp_path, _claim(least=11, **rows))
    assert held == "no"


def test_single_runs_are_not_sure(tmp_path):
    for name, value in (("a", 20.0), ("b", 10.0)):
        _keep(tmp_path, f"t/{name}", {"segm": {"AP": value}})
    found = _verdict(
        tmp_path,
        _claim(rows=["t/a"], less=["t/b"], least=6),
        _claim(rows=["t/a"], less=["t/b"], least=11),
    )
    assert [held for _, _, held in found] == ["may be", "no"]


def test_what_was_not_run_is_said_with_its_command(tmp_path):
    ((number, _, held),) = _verdict(tmp_path, _claim(rows=["t/later"], least=1))
    assert (number, held) == ("not run: t/later", "not measured")
    text = (tmp_path / "claims.md").read_text()
    assert "`zipseg tables --rows configs/experiments/t.yaml --only later`" in text


def test_a_claim_without_its_fields_is_named(tmp_path):
    with pytest.raises(ZipSegError, match=r"claims\.yaml: claim 1 needs"):
        _verdict(tmp_path, _claim(rows=["t/x"]), {"claim": "C"})
