"""The money rules hold no float and reach for no clock, chance, network or disk."""

import ast
from pathlib import Path

import pytest
import tallystick_protocol.money

FILES = sorted(Path(tallystick_protocol.money.__file__).parent.glob("*.py"))
FORBIDDEN = {"asyncio", "socket", "sqlite3", "time", "random", "secrets", "os", "pathlib", "io", "subprocess"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_float_and_no_effect(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"line {node.lineno}"
        assert not (isinstance(node, ast.Name) and node.id in ("float", "open", "print")), f"line {node.lineno}"
        if isinstance(node, ast.Import):
            assert not FORBIDDEN & {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in FORBIDDEN
