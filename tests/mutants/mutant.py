"""A verifier with one fault: a refusal taken out, or a comparison that is another one.

The fault is made in the code of one function, which is then put into the function that everybody already holds."""

from __future__ import annotations

import ast
import hashlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType

from support import refusals
from support.refusals import HELPER, PACKAGE, functions

OTHER: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`refusal`: the key of what is taken out, "" for a comparison. `code`: of the function, to know it again."""

    name: str
    file: str
    function: str
    refusal: str
    code: str
    number: int  # of the place in the function

    def apply(self) -> None:
        """In this process, for good."""
        module, function = _parsed(self.file, self.function)
        places = _taken_out(function) if self.refusal else _compared(function)
        next(change for number, (_, change) in enumerate(places) if number == self.number)()
        made = _code_of(compile(module, str(PACKAGE / self.file), "exec"), self.function)
        _function(self.file, self.function).__code__ = made


def mutants() -> list[Mutant]:
    """All of them, those that take a refusal out first."""
    out, flipped = [], []
    for path in refusals.FILES:
        file = path.relative_to(PACKAGE).as_posix()
        keys = {one.call.lineno: key for key, one in refusals.refusals().items() if one.file == file}
        for function, name in functions(ast.parse(path.read_text())):
            if name == HELPER:
                continue
            code = hashlib.sha256(ast.unparse(function).encode()).hexdigest()[:16]
            for number, (call, _) in enumerate(_taken_out(function)):
                key = keys[call.lineno]
                out.append(Mutant(f"{key} | out", file, name, key, code, number))
            for number, (node, _) in enumerate(_compared(function)):
                said = f"{file} {name}: {ast.unparse(node)} | flipped {number}"
                flipped.append(Mutant(said, file, name, "", code, number))
    return out + flipped


def _taken_out(function: ast.FunctionDef) -> Iterator[tuple[ast.Call, Callable[[], None]]]:
    """The refusals of a function, each with what takes it out."""
    known = {id(call) for call in refusals._calls(function)}
    for node in ast.walk(function):
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            for at, statement in enumerate(body if isinstance(body, list) else ()):
                raised = statement.exc if isinstance(statement, ast.Raise) else None
                if isinstance(raised, ast.Call) and id(raised) in known:
                    yield raised, _passing(body, at)
        if isinstance(node, ast.Call) and id(node) in known and ast.unparse(node.func) == HELPER:
            yield node, _fitting(node)


def _passing(body: list[ast.stmt], at: int) -> Callable[[], None]:
    def change() -> None:
        body[at] = ast.copy_location(ast.Pass(), body[at])

    return change


def _fitting(call: ast.Call) -> Callable[[], None]:
    def change() -> None:
        call.args[0] = ast.copy_location(ast.Constant(True), call.args[0])

    return change


def _compared(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, Callable[[], None]]]:
    """The comparisons of a function, and what joins them."""
    for node in ast.walk(function):
        if isinstance(node, ast.Compare):
            for at in range(len(node.ops)):
                yield node, _turned(node, at)
        elif isinstance(node, ast.BoolOp):
            yield node, _joined(node)


def _turned(node: ast.Compare, at: int) -> Callable[[], None]:
    def change() -> None:
        node.ops[at] = OTHER[type(node.ops[at])]()

    return change


def _joined(node: ast.BoolOp) -> Callable[[], None]:
    def change() -> None:
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()

    return change


def _parsed(file: str, name: str) -> tuple[ast.Module, ast.FunctionDef]:
    module = ast.parse(_source(file))
    return module, next(function for function, found in functions(module) if found == name)


@cache
def _source(file: str) -> str:
    return (PACKAGE / file).read_text()


def _code_of(code: CodeType, name: str) -> CodeType:
    for part in name.split("."):
        code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == part)
    return code


def _function(file: str, name: str) -> FunctionType:
    found: object = importlib.import_module(f"{PACKAGE.name}.{file.removesuffix('.py').replace('/', '.')}")
    for part in name.split("."):
        found = getattr(found, part)
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__wrapped__", found)
    if not isinstance(found, FunctionType):
        raise TypeError(f"{file} {name} is no function")
    return found
