"""README and documentation: their commands are understood, their links lead somewhere."""

import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from detectron2.config import get_cfg

from zipseg.cli.grammar import Parser, parse
from zipseg.cli.main import COMMANDS
from zipseg.config import add_zip_config
from zipseg.utils.config_files import get_config_file
from zipseg.utils.keys import paths_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[list[str]]:
    """Every whole command line of zipseg's in the page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = (shlex.split(line, comments=True) for line in lines if line.startswith("zipseg "))
    return [words[1:] for words in found if "..." not in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_shown_are_understood(page):
    for name, *words in commands(page):
        assert name in COMMANDS
        module = import_module(f"zipseg.cli.{name.replace('-', '_')}")
        parser = Parser(f"zipseg {name}", module.__doc__, getattr(module, "PAIRS", None))
        module.add_arguments(parser)
        args = parse(parser, words)
        for key in ("config_file", "zip_config"):
            files = getattr(args, key, None) or []
            for file in [files] if isinstance(files, str) else files:
                assert Path(get_config_file(file)).is_file()


def test_the_pages_show_commands():
    assert sum(len(commands(page)) for page in PAGES) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_files_lead_somewhere(page):
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        assert (page.parent / link.partition("#")[0]).exists(), link


def test_the_config_keys_named_exist():
    """In whole, or from a section on where the text says whose it is."""
    cfg = get_cfg()
    add_zip_config(cfg)
    known = set(paths_of(cfg))
    pattern = r"(?<![\w./$-])[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]+)+(?![\w./-])"
    named = [(page.name, key) for page in PAGES for key in re.findall(pattern, page.read_text())]
    assert len(named) > 40
    unknown = [each for each in named if not any(f".{k}".endswith(f".{each[1]}") for k in known)]
    assert not unknown


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150


def test_the_site_builds_without_warnings(tmp_path):
    if find_spec("material") is None or find_spec("mkdocstrings") is None:
        pytest.skip("the extra 'docs' is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    api = (tmp_path / "api" / "index.html").read_text()
    for name in ("from_config", "to_coco", "label_images", "get_config_file", "Proposals"):
        assert name in api
    recipe = (tmp_path / "detectron2" / "index.html").read_text()
    assert "--8" not in recipe  # the file is there instead
    assert "build_model" in re.sub("<[^>]*>", "", recipe.partition("<article")[2])
