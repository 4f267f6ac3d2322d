"""The project's command lines with all that they start replaced by ``fake_tools.py``."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
FAKES = Path(__file__).with_name("fake_tools.py")
SCRIPTS = (
    *("train_net.py", "generate_pseudo_labels.py", "filter_pseudo_labels.py"),
    *("merge_pseudo_labels.py", "make_label_splits.py"),
)
TINY = str(ROOT / "tests" / "labeling" / "tiny_mask_rcnn.yaml")


def fake_tools(folder: Path) -> Path:
    """A ``tools`` folder of fakes."""
    folder.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        shutil.copy(FAKES, folder / script)
    return folder


def command_among(tools: Path, script: str) -> ModuleType:
    """A real command line as it would be in the folder of fakes; call its ``main``."""
    path = tools / script
    shutil.copy(ROOT / "tools" / script, path)
    spec = importlib.util.spec_from_file_location(f"{path.stem}_among_fakes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def starts(tools: Path) -> list[str]:
    """Every command line that was started, in order."""
    log = tools / "LOG"
    return log.read_text().splitlines() if log.exists() else []
