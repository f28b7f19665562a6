"""Finds the line on which a value of a TOML text stands, so that a refusal can point at it.
It never judges the text: it is used on text that tomllib has read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|\n|[\[\]{}=,]|[^\s\[\]{}=,#"\']+',
    re.DOTALL,
)
_INDEX = re.compile(r"\[\d+\]$")


@dataclass(slots=True)
class _Frame:
    """An open bracket or table: `key` is the path so far, `index` counts the items of an array."""

    path: str
    is_array: bool
    index: int = 0
    name: list[str] = field(default_factory=list)


def lines_of(text: str) -> dict[str, int]:
    """Path (`split[1].to`) to the line of its key or item; headers and arrays of tables have paths of their own."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix = ""
    tokens = list(_tokens(text))
    at = 0
    while at < len(tokens):
        token, line = tokens[at]
        if token == "[":
            prefix, at = _header(tokens, at, counts)
            found.setdefault(_INDEX.sub("", prefix), line)
            found.setdefault(prefix, line)
        elif token == "\n":
            at += 1
        else:
            name, at = _key(tokens, at)
            path = _join(prefix, name)
            found.setdefault(path, line)
            at = _value(tokens, at, path, found)
    return found


def line_of(lines: dict[str, int], path: str) -> int:
    """The line of a path or of the nearest thing that holds it; 0 when nothing does."""
    while path:
        if path in lines:
            return lines[path]
        path = _INDEX.sub("", path) if _INDEX.search(path) else path.rpartition(".")[0]
    return 0


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if not token.startswith("#"):
            yield token, line
        line += token.count("\n")


def _header(tokens: list[tuple[str, int]], at: int, counts: dict[str, int]) -> tuple[str, int]:
    depth = 0
    while tokens[at][0] == "[":
        depth, at = depth + 1, at + 1
    parts: list[str] = []
    while tokens[at][0] != "]":
        parts.append(tokens[at][0])
        at += 1
    path = _resolve(_names(parts), counts)
    if depth == 2:
        counts[path] = counts.get(path, -1) + 1
        path = f"{path}[{counts[path]}]"
    return path, at + depth


def _resolve(names: list[str], counts: dict[str, int]) -> str:
    """Names of a header with the index of the newest table of every array on the way."""
    path = ""
    for position, name in enumerate(names):
        path = _join(path, [name])
        if path in counts and position < len(names) - 1:
            path = f"{path}[{counts[path]}]"
    return path


def _key(tokens: list[tuple[str, int]], at: int) -> tuple[list[str], int]:
    parts: list[str] = []
    while at < len(tokens) and tokens[at][0] != "=":
        parts.append(tokens[at][0])
        at += 1
    return _names(parts), at + 1


def _value(tokens: list[tuple[str, int]], at: int, path: str, found: dict[str, int]) -> int:
    """Walk over one value and note the lines inside of it; returns the index after its end."""
    frames: list[_Frame] = []
    here = path
    while at < len(tokens):
        token, _ = tokens[at]
        if token in "]}" and frames:
            frames.pop()
            at += 1
            if not frames:
                return at
            continue
        if token == "\n" and not frames:
            return at + 1
        if frames and token not in ("\n", ","):
            here, at = _inside(frames[-1], tokens, at, found)
            token = tokens[at][0]
        if token in ("[", "{"):
            frames.append(_Frame(here, token == "["))
        elif token == "," and frames:
            frames[-1].index += 1
        at += 1
    return at


def _inside(frame: _Frame, tokens: list[tuple[str, int]], at: int, found: dict[str, int]) -> tuple[str, int]:
    """The path of the item or key that begins here, and the index of its value."""
    line = tokens[at][1]
    if frame.is_array:
        path = f"{frame.path}[{frame.index}]"
    else:
        names, at = _key(tokens, at)
        path = _join(frame.path, names)
    found.setdefault(path, line)
    return path, at


def _names(parts: list[str]) -> list[str]:
    names: list[str] = []
    for part in parts:
        if part[:1] in "\"'":
            names.append(part[1:-1])
        else:
            names += [name for name in part.split(".") if name]
    return names


def _join(prefix: str, names: list[str]) -> str:
    return ".".join([prefix, *names] if prefix else names)
