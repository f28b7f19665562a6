"""The table of dependencies says what is true; no distribution imports what it does not declare."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from importlib.metadata import distribution, metadata

import pytest
from support.repository import DISTRIBUTIONS, ROOT, declared, group

ROW = re.compile(r"^\| ([a-z0-9-]+) \| ([a-z, ]+) \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
ROWS = {
    m[1]: ({u.strip() for u in m[2].split(",")}, m[4].strip())
    for m in ROW.finditer((ROOT / "docs" / "reference" / "dependencies.md").read_text())
    if m[1] != "package"
}
DECLARES_NONE = {"saxonche"}
"""Its project says MPL-2.0 for what `license=False` runs; its metadata say nothing."""
IMPORT_NAMES = {"serial": "pyserial", "dbus_fast": "dbus-fast", "psycopg_pool": "psycopg", "fpdf": "fpdf2"}


def test_the_table_lists_exactly_what_is_declared() -> None:
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for folder in DISTRIBUTIONS:
        for package in declared(folder):
            wanted[package].add("sim" if folder == "firmware-sim" else folder)
    for package in group("build"):
        wanted[package].add("build")
    for package in group("test"):
        wanted[package].add("test")
    assert {package: users for package, (users, _) in ROWS.items()} == dict(wanted)


@pytest.mark.parametrize("package", sorted(ROWS.keys() - DECLARES_NONE))
def test_the_licence_is_the_one_the_package_declares(package: str) -> None:
    if ROWS[package][0] == {"test"} and not _installed(package):
        pytest.skip("installed by the test lock only, and not on every platform")
    data = metadata(package)
    said = data.get("License-Expression") or data.get("License") or ""
    classified = " ".join(c for c in data.get_all("Classifier") or [] if c.startswith("License"))
    whole = f"{said} {classified}".strip() or distribution(package).read_text(f"licenses/{data['License-File']}") or ""
    assert ROWS[package][1] in whole


def _installed(package: str) -> bool:
    try:
        metadata(package)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_a_distribution_imports_only_what_it_declares(folder: str) -> None:
    allowed = declared(folder)
    for path in sorted((ROOT / folder / DISTRIBUTIONS[folder]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names}:
                if top not in sys.stdlib_module_names and not top.startswith("tallystick_"):
                    package = IMPORT_NAMES.get(top, top).lower().replace("_", "-")
                    assert package in allowed, f"{path}: imports {top}, which {folder}/pyproject.toml does not declare"
