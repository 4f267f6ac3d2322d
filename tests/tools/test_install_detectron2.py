"""The recipe for detectron2, on small made-up sources; nothing here uses the network."""

import ast
import base64
import email
import hashlib
import io
import subprocess
import tarfile
import zipfile

import pytest

from zipseg.cli import install_detectron2 as recipe
from zipseg.cli.main import door

main = door("install-detectron2")

SOURCES = {
    "setup.py": (
        "raise SystemExit('the set-up script must not run')\n"
        "PROJECTS = {'detectron2.projects.dots': 'projects/Dots/dots'}\n"
        "setup(install_requires=['black==1.0', 'iopath>=0.1.7,<0.1.10', 'yacs>=0.1.8',\n"
        "      \"dataclasses; python_version<'3.7'\"], ext_modules=get_extensions())\n"
    ),
    "setup.cfg": "[metadata]\nname = other\n",
    "LICENSE": "made up\n",
    "tools/__init__.py": "",
    "projects/Dots/dots/__init__.py": "DOTS = 3\n",
    "detectron2/__init__.py": "__version__ = '0.6'\n",
    "detectron2/layers.py": "from detectron2 import _C\n",
    "detectron2/arrays.py": (
        "flags = np.zeros(3, dtype=np.bool)\nkept = np.float32(1), np.int64(2), inp.int\n"
        "mode = Image.LINEAR\n"
    ),
    "detectron2/evaluation.py": ("from detectron2.evaluation.fast_eval_api import COCOeval_opt\n"),
    "detectron2/projects/__init__.py": "",
    "detectron2/model_zoo/__init__.py": (
        "import os\nimport pkg_resources\n\n\ndef path(name):\n"
        "    return pkg_resources.resource_filename(\n"
        "        'detectron2.model_zoo', os.path.join('configs', name)\n    )\n"
    ),
    "detectron2/model_zoo/configs/COCO/dots.yaml": "A: 1\n",
    "detectron2/model_zoo/configs/common/dots.py": "A = 1\n",
}


def write_archive(path, sources):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in sources.items():
            member = tarfile.TarInfo(f"top/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The recipe fetches the made-up archive, which is the pinned one."""

    def serve(folder):
        archive = write_archive(folder / "made-up.tar.gz", SOURCES)
        digest = recipe.hashlib.sha256(archive.read_bytes()).hexdigest()
        monkeypatch.setattr(recipe, "SHA256", digest)
        return archive

    monkeypatch.setattr(recipe, "fetch", serve)
    return tmp_path / "cache"


@pytest.fixture
def pip_calls(monkeypatch):
    calls = []
    monkeypatch.setattr(recipe, "pip", lambda *arguments: calls.append(arguments))
    return calls


def answer_probe(monkeypatch, *codes):
    answers = iter(codes)

    def probe():
        return subprocess.CompletedProcess([], next(answers), "found\n", "Trace\nImportError: why")

    monkeypatch.setattr(recipe, "probe", probe)


def test_source_rules_rewrite_what_was_removed_and_nothing_else():
    names = [name for name in SOURCES if name.startswith("detectron2/") and name.endswith(".py")]
    results = recipe.rewrite([SOURCES[name] for name in names], recipe.SOURCE_RULES)
    texts = dict(zip(names, results, strict=True))
    for text in results:
        ast.parse(text)

    assert "dtype=bool" in texts["detectron2/arrays.py"]
    assert "np.float32(1), np.int64(2), inp.int" in texts["detectron2/arrays.py"]
    assert "Image.BILINEAR" in texts["detectron2/arrays.py"]
    assert "pkg_resources" not in texts["detectron2/model_zoo/__init__.py"]

    scope = {}
    exec(texts["detectron2/evaluation.py"], scope)
    assert scope["COCOeval_opt"].__module__ == "pycocotools.cocoeval"


def test_extension_becomes_optional(monkeypatch):
    (text,) = recipe.rewrite([SOURCES["detectron2/layers.py"]], recipe.SOURCE_RULES[:1])
    monkeypatch.setitem(recipe.sys.modules, "detectron2", None)
    scope = {}
    exec(text, scope)
    assert scope["_C"] is None


def test_rule_without_a_match_fails_loudly():
    with pytest.raises(ValueError, match=r"numpy removed its aliases.*not the known archive"):
        recipe.rewrite(["x = np.float32"], recipe.SOURCE_RULES[2:3])


def test_requirements_are_relaxed():
    given = recipe.setup_literal(SOURCES["setup.py"], "install_requires")
    assert recipe.rewrite(given, recipe.REQUIREMENT_RULES) == [
        "black",
        "iopath>=0.1.7",
        "yacs>=0.1.8",
        "",
    ]
    with pytest.raises(ValueError, match="no literal 'absent'"):
        recipe.setup_literal(SOURCES["setup.py"], "absent")


def test_wheel_holds_the_package_its_projects_and_configs(served, monkeypatch):
    wheel = recipe.cached_wheel(served)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read("detectron2-0.6+python.dist-info/METADATA").decode()
        archive.extractall(served / "site")

    assert "detectron2/model_zoo/configs/COCO/dots.yaml" in names
    assert "detectron2/model_zoo/configs/common/dots.py" in names
    assert "detectron2/projects/dots/__init__.py" in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"detectron2", "detectron2-0.6+python.dist-info"}
    required = email.message_from_string(metadata).get_all("Requires-Dist")
    assert required == ["black", "iopath>=0.1.7", "yacs>=0.1.8"]

    code = (
        "from detectron2 import layers, model_zoo\n"
        "print(open(model_zoo.path('COCO/dots.yaml')).read())"
    )
    command = [recipe.sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=served / "site", check=True)
    assert run.stdout.strip() == "A: 1"

    monkeypatch.setattr(recipe, "fetch", lambda folder: pytest.fail("the cache was not used"))
    assert recipe.cached_wheel(served) == wheel


def test_wrong_hash_is_refused_before_anything_is_unpacked(served, monkeypatch, pip_calls):
    serve = recipe.fetch

    def tampered(folder):
        archive = serve(folder)
        archive.write_bytes(archive.read_bytes() + b"\0")
        return archive

    monkeypatch.setattr(recipe, "fetch", tampered)
    monkeypatch.setattr(recipe, "extract", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match=r"made-up\.tar\.gz has SHA-256 .*, expected"):
        recipe.cached_wheel(served)
    assert not pip_calls
    assert not list(served.iterdir())


def test_download_asks_pip_to_check_the_hash(tmp_path, monkeypatch):
    def download(*arguments):
        assert "--require-hashes" in arguments
        pinned = (tmp_path / "requirements.txt").read_text()
        assert pinned == f"{recipe.REQUIREMENT} --hash=sha256:{recipe.SHA256}\n"
        (tmp_path / "archive.tar.gz").touch()

    monkeypatch.setattr(recipe, "pip", download)
    assert recipe.fetch(tmp_path) == tmp_path / "archive.tar.gz"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("top/../../outside", tarfile.REGTYPE),
        ("/outside", tarfile.REGTYPE),
        ("top/link", tarfile.SYMTYPE),
        ("top/link", tarfile.LNKTYPE),
        ("top/pipe", tarfile.FIFOTYPE),
    ],
)
def test_unsafe_archive_entries_are_refused(tmp_path, name, kind):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc/hostname"
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.addfile(member)
    (tmp_path / "into").mkdir()
    with pytest.raises(ValueError, match="refusing the unsafe entry"):
        recipe.extract(tmp_path / "bad.tar.gz", tmp_path / "into")
    assert not (tmp_path / "outside").exists()


def test_importable_detectron2_is_left_alone(monkeypatch, pip_calls, capsys):
    answer_probe(monkeypatch, 0)
    main([])
    assert not pip_calls
    assert "detectron2 is there: found" in capsys.readouterr().out


def test_half_installed_wheel_is_installed_again(monkeypatch, pip_calls, tmp_path):
    answer_probe(monkeypatch, 1, 0)
    monkeypatch.setattr(recipe, "version", lambda name: recipe.VERSION)
    monkeypatch.setattr(recipe, "cached_wheel", lambda cache: cache / "d2.whl")
    main(["--cache", str(tmp_path)])
    assert [call[-1] for call in pip_calls] == [str(tmp_path / "d2.whl")]


def test_broken_detectron2_of_the_users_is_reported_not_replaced(monkeypatch, pip_calls):
    answer_probe(monkeypatch, 1, 1)
    monkeypatch.setattr(recipe, "version", lambda name: "0.6+cu111")
    with pytest.raises(SystemExit, match="does not import: ImportError: why"):
        main([])
    assert not pip_calls


def test_named_source_is_installed_even_when_one_is_there(monkeypatch, pip_calls):
    answer_probe(monkeypatch, 0)
    monkeypatch.setattr(recipe, "version", lambda name: "0.6")
    monkeypatch.setattr(recipe, "built_wheel", lambda source, folder: folder / source)
    main(["--from", "official.whl"])
    _, again, requirements = pip_calls
    assert "--force-reinstall" in again
    assert again[-1] == requirements[-1]
    assert requirements[-1].endswith("official.whl")


def test_a_source_of_the_users_gets_along_with_later_iopaths(tmp_path):
    source = tmp_path / "source"
    (source / "detectron2").mkdir(parents=True)
    (source / "detectron2" / "__init__.py").write_text("DOTS = 3\n")
    (source / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='detectron2', version='0.7', packages=['detectron2'],\n"
        "      install_requires=['iopath>=0.1.7,<0.1.10', 'yacs>=0.1.8'])\n"
    )
    (tmp_path / "wheels").mkdir()
    wheel = recipe.built_wheel(str(source), tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    metadata = email.message_from_bytes(content["detectron2-0.7.dist-info/METADATA"])
    assert metadata.get_all("Requires-Dist") == ["iopath>=0.1.7", "yacs>=0.1.8"]
    for line in content["detectron2-0.7.dist-info/RECORD"].decode().splitlines():
        name, digest, size = line.rsplit(",", 2)
        if digest:
            found = base64.urlsafe_b64encode(hashlib.sha256(content[name]).digest()).decode()
            assert digest == f"sha256={found.rstrip('=')}"
            assert int(size) == len(content[name])
    assert "detectron2/__init__.py" in content
