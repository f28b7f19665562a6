"""Every place at which the verifier refuses, read from its source, and those at which a test makes it refuse.

A place is a call of `ensure` or a `raise` with a new error. It is known by its file, its function and its words, so
that moving it changes nothing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import tallystick_protocol
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.verify.report import Misfit
from tallystick_protocol.verify_cli import Unusable

PACKAGE = Path(tallystick_protocol.__file__).parent
FILES = (*sorted((PACKAGE / "verify").glob("*.py")), PACKAGE / "verify_cli.py")
HELPER = "ensure"  # it raises for whoever calls it
OURS = ("InvariantError", "ValueError")  # a bug of ours, and what the same function catches again: no refusals
REGISTER = Path(__file__).parents[1] / "laws" / "verify" / "refusals.txt"
RENEW = "python3 run.py mutants --record"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`call`: the call of `ensure`, or of what is raised."""

    file: str
    function: str
    words: str
    call: ast.Call

    @property
    def key(self) -> str:
        return f"{self.file} {self.function}: {self.words}"


@cache
def refusals() -> Mapping[str, Refusal]:
    """All of them by their key."""
    found: dict[str, Refusal] = {}
    for path in FILES:
        for one in _in_file(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())):
            same = sum(key.startswith(one.key) for key in found)
            found[one.key + f" ({same + 1})" * bool(same)] = one
    return found


def _in_file(file: str, tree: ast.Module) -> Iterator[Refusal]:
    for function, name in functions(tree):
        if name != HELPER:
            for call in _calls(function):
                yield Refusal(file, name, _words(call, function), call)


def functions(tree: ast.AST, within: str = "") -> Iterator[tuple[ast.FunctionDef, str]]:
    """Functions and methods, with the names that their code objects bear."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if isinstance(node, ast.FunctionDef):
                yield node, within + node.name
            yield from functions(node, f"{within}{node.name}.")


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    for node in _own_nodes(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            if ast.unparse(node.exc.func) not in OURS:
                yield node.exc
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == HELPER:
            yield node


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """In the order of the source, without those of functions inside."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own_nodes(child)


def _words(call: ast.Call, function: ast.FunctionDef) -> str:
    """What it says, with … for what differs; where a variable is said, what was last put into it."""
    if not call.args:
        return ast.unparse(call)
    said = call.args[-1]
    if isinstance(said, ast.Name):
        before = [node for node in ast.walk(function) if isinstance(node, ast.Assign) and node.lineno < call.lineno]
        given = {node.lineno: node.value for node in before if ast.unparse(node.targets[0]) == said.id}
        said = given[max(given)] if given else call
    return _text(said)


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ast.unparse(node)


@cache
def _places() -> Mapping[tuple[str, int], str]:
    """Key by file and line."""
    return {(str(PACKAGE / one.file), one.call.lineno): key for key, one in refusals().items()}


@contextmanager
def recording() -> Iterator[set[str]]:
    """The keys of what was refused meanwhile."""
    fired: set[str] = set()
    before = {kind: kind.__dict__.get("__init__") for kind in (Misfit, ProtocolError, Unusable)}
    for kind in before:
        kind.__init__ = _noting(kind.__init__, fired)  # type: ignore[method-assign]
    try:
        yield fired
    finally:
        for kind, made in before.items():
            if made is None:
                del kind.__init__
            else:
                kind.__init__ = made  # type: ignore[method-assign]


def _noting(made: Any, fired: set[str]) -> Any:
    def noting(error: Any, *arguments: Any) -> None:
        made(error, *arguments)
        frame: FrameType | None = sys._getframe(1)
        for _ in range(2):  # where it was made, or who called the function that did so for it
            if frame is None or not frame.f_code.co_filename.startswith(str(PACKAGE / "verify")):
                return
            key = _places().get((frame.f_code.co_filename, frame.f_lineno))
            if key is not None:
                fired.add(key)
                return
            frame = frame.f_back

    return noting


@cache
def register() -> Mapping[str, str]:
    """Key -> the test in which it fires."""
    lines = REGISTER.read_text().splitlines() if REGISTER.exists() else []
    return dict(zip(lines[::2], (line.strip() for line in lines[1::2]), strict=True))


def write_register(tests: Mapping[str, str]) -> None:
    """In the order of the source."""
    REGISTER.write_text("".join(f"{key}\n    {tests[key]}\n" for key in refusals() if key in tests))


@cache
def _expected() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, test in register().items():
        found.setdefault(test, set()).add(key)
    return {test: frozenset(keys) for test, keys in found.items()}


@contextmanager
def forgotten() -> Iterator[None]:
    """Nothing is expected of any test meanwhile."""
    kept = dict(_expected())
    _expected().clear()
    try:
        yield
    finally:
        _expected().update(kept)


def expected(test: str) -> frozenset[str]:
    """What the register says that fires in a test."""
    return _expected().get(test, frozenset())
