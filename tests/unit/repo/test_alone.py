"""Each distribution works with what it declares: all modules import, warnings are errors, siblings are walled off."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.repository import DISTRIBUTIONS, ROOT

BELOW = {"protocol": [], "edge": ["protocol"], "cloud": ["protocol"], "firmware-sim": ["protocol"]}
IMPORT_ALL = """
import importlib, pkgutil, sys
package, *blocked = sys.argv[1:]

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{package} must not need {name}")

sys.meta_path.insert(0, Wall())
module = importlib.import_module(package)
names = [m.name for m in pkgutil.walk_packages(module.__path__, package + ".") if not m.name.endswith("__main__")]
for name in names:
    if ".versions." not in name and not name.endswith(".env"):  # alembic loads these itself, with its context
        importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_every_module_imports_without_the_siblings(folder: str) -> None:
    allowed = {folder, *BELOW[folder]}
    blocked = [package for other, package in DISTRIBUTIONS.items() if other not in allowed]
    command = [sys.executable, "-W", "error", "-c", IMPORT_ALL, DISTRIBUTIONS[folder], *blocked, "pytest", "hypothesis"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT / folder)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1
