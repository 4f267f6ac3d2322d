"""The product by itself: no folder of it loads the small world, the experiments or the tools."""

import json
import subprocess
import sys

WALK = """
import importlib, json, pkgutil, sys, zipseg
names = [x.name for x in pkgutil.walk_packages(zipseg.__path__, "zipseg.", onerror=print)
         if x.name.split(".")[1] not in ("zipworld", "experiments")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted(sys.modules)]))
"""


def test_product_loads_neither_world_nor_experiments():
    # walk_packages imports packages to look into them, so the two are hidden from it.
    hide = "import sys; sys.modules |= {'zipseg.zipworld': None, 'zipseg.experiments': None}"
    run = subprocess.run(
        [sys.executable, "-c", f"{hide}\n{WALK}"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    names, loaded = json.loads(run.stdout.splitlines()[-1])
    assert len(names) > 90
    assert not [
        x for x in loaded if x.startswith(("zipseg.zipworld.", "zipseg.experiments.", "tools"))
    ]
