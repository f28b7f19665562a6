"""A small CDDL (RFC 8610) reader and validator for the parts of the language that tallystick.cddl uses.
It exists because the packaged validators refuse valid input of that file or accept invalid; see docs/adr."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2

TOKEN = re.compile(
    r"""(?P<space>\s+|;[^\n]*)
    |(?P<text>"[^"]*")
    |(?P<tag>\#6\.\d+)
    |(?P<number>-?\d+)
    |(?P<occurs>\d*\*\d*)
    |(?P<control>\.(?:size|cbor)\b)
    |(?P<name>[A-Za-z][A-Za-z0-9_-]*)
    |(?P<sign>\.\.|=>|[=/:,?+*()\[\]{}])""",
    re.VERBOSE,
)
PRELUDE = {"any", "bool", "bstr", "int", "null", "true", "tstr", "uint"}


class Mismatch(Exception):
    """The value is not one of the type; the message is a path and a reason."""


@dataclass
class Node:
    kind: str
    value: Any = None
    children: list[Node] = field(default_factory=list)


@dataclass
class Entry:
    least: int
    most: int | None
    key: Node | None
    type: Node


class Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0

    def rules(self) -> dict[str, Node]:
        rules: dict[str, Node] = {}
        while self.at < len(self.tokens):
            name = self.take("name")
            self.expect("=")
            if name in rules:
                raise SyntaxError(f"rule {name} is there twice")
            rules[name] = self.type()
        return rules

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ("end", "")

    def take(self, kind: str) -> str:
        found, text = self.peek()
        if found != kind:
            raise SyntaxError(f"expected {kind}, found {text!r}")
        self.at += 1
        return text

    def accept(self, text: str) -> bool:
        if self.peek()[1] == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise SyntaxError(f"expected {text!r}, found {self.peek()[1]!r}")

    def type(self) -> Node:
        choices = [self.controlled()]
        while self.accept("/"):
            choices.append(self.controlled())
        return choices[0] if len(choices) == 1 else Node("choice", children=choices)

    def controlled(self) -> Node:
        node = self.primary()
        if self.accept(".."):
            node = Node("range", (node.value, self.primary().value))
        if self.peek()[0] == "control":
            control = self.take("control")
            node = Node(control[1:], children=[node, self.primary()])
        return node

    def primary(self) -> Node:
        kind, text = self.peek()
        self.at += 1
        match kind, text:
            case "number", _:
                return Node("literal", int(text))
            case "text", _:
                return Node("literal", text[1:-1])
            case "tag", _:
                self.expect("(")
                inner = self.type()
                self.expect(")")
                return Node("tag", int(text[3:]), [inner])
            case "name", _:
                return Node("name", text)
            case "sign", "(":
                inner = self.type()
                self.expect(")")
                return inner
            case "sign", "[":
                return Node("array", self.group("]"))
            case "sign", "{":
                return Node("map", self.group("}"))
        raise SyntaxError(f"unexpected {text!r}")

    def group(self, end: str) -> list[Entry]:
        entries: list[Entry] = []
        while not self.accept(end):
            entries.append(self.entry())
            self.accept(",")
        return entries

    def entry(self) -> Entry:
        least, most = self.occurrence()
        key: Node | None = None
        if self.peek()[0] in ("number", "name") and self.peek(1)[1] == ":":
            kind, text = self.peek()
            key = Node("literal", int(text) if kind == "number" else text)
            self.at += 2
            return Entry(least, most, key, self.type())
        node = self.type()
        if self.accept("=>"):
            return Entry(least, most, node, self.type())
        return Entry(least, most, None, node)

    def occurrence(self) -> tuple[int, int | None]:
        kind, text = self.peek()
        if text == "?":
            self.at += 1
            return 0, 1
        if text == "+":
            self.at += 1
            return 1, None
        if kind == "occurs":
            self.at += 1
            low, high = text.split("*")
            return int(low or 0), int(high) if high else None
        return 1, 1


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SyntaxError(f"cannot read {text[at : at + 20]!r}")
        at = match.end()
        kind = match.lastgroup or ""
        # `2*16` is an occurrence, `2` alone a number: look ahead for the star.
        if kind == "number" and text[at : at + 1] == "*":
            star = re.compile(r"\d+\*\d*").match(text, match.start())
            if star is not None:
                at, kind = star.end(), "occurs"
                yield kind, star.group()
                continue
        if kind != "space":
            yield kind, match.group()


class Schema:
    """The rules of a CDDL file; `validate(rule, bytes)` raises Mismatch."""

    def __init__(self, text: str) -> None:
        self.rules = Parser(text).rules()
        unknown = {name for rule in self.rules.values() for name in _names(rule)} - self.rules.keys() - PRELUDE
        if unknown:
            raise SyntaxError(f"names without a rule: {sorted(unknown)}")

    def validate(self, rule: str, data: bytes) -> None:
        self._check(self.rules[rule], _load(data, rule), rule)

    def table(self, rule: str) -> set[Any]:
        """The literals of a rule that is a choice of literals."""
        node = self.rules[rule]
        return {child.value for child in (node.children if node.kind == "choice" else [node])}

    def _check(self, node: Node, value: Any, at: str) -> None:
        getattr(self, f"_check_{node.kind}")(node, value, at)

    def _check_choice(self, node: Node, value: Any, at: str) -> None:
        reasons = []
        for child in node.children:
            try:
                return self._check(child, value, at)
            except Mismatch as mismatch:
                reasons.append(str(mismatch))
        raise Mismatch(f"{at}: none of {len(reasons)} choices, last: {reasons[-1]}")

    def _check_literal(self, node: Node, value: Any, at: str) -> None:
        if type(value) is not type(node.value) or value != node.value:
            raise Mismatch(f"{at}: {value!r} is not {node.value!r}")

    def _check_range(self, node: Node, value: Any, at: str) -> None:
        low, high = node.value
        if type(value) is not int or not low <= value <= high:
            raise Mismatch(f"{at}: {value!r} is not in {low}..{high}")

    def _check_name(self, node: Node, value: Any, at: str) -> None:
        if node.value in self.rules:
            return self._check(self.rules[node.value], value, at)
        if node.value == "true" and value is not True:
            raise Mismatch(f"{at}: {value!r} is not true")
        kinds = {"bool": bool, "bstr": bytes, "int": int, "null": type(None), "tstr": str, "uint": int}
        kind = kinds.get(node.value)
        if kind is not None and (type(value) is not kind or (node.value == "uint" and value < 0)):
            raise Mismatch(f"{at}: {value!r} is not {node.value}")
        return None

    def _check_tag(self, node: Node, value: Any, at: str) -> None:
        if not isinstance(value, cbor2.CBORTag) or value.tag != node.value:
            raise Mismatch(f"{at}: is not tagged {node.value}")
        self._check(node.children[0], value.value, at)

    def _check_size(self, node: Node, value: Any, at: str) -> None:
        base, size = node.children
        self._check(base, value, at)
        self._check(size, len(value.encode() if isinstance(value, str) else value), f"{at}.size")

    def _check_cbor(self, node: Node, value: Any, at: str) -> None:
        base, inner = node.children
        self._check(base, value, at)
        item = _load(value, at)
        self._check(inner, item, f"{at}.cbor")

    def _check_array(self, node: Node, value: Any, at: str) -> None:
        if not isinstance(value, list | tuple):
            raise Mismatch(f"{at}: {value!r} is not an array")
        place = 0
        for entry in node.value:
            count = 0
            while place < len(value) and (entry.most is None or count < entry.most):
                try:
                    self._check(entry.type, value[place], f"{at}[{place}]")
                except Mismatch:
                    if count >= entry.least:
                        break
                    raise
                place, count = place + 1, count + 1
            if count < entry.least:
                raise Mismatch(f"{at}: holds too few items")
        if place != len(value):
            raise Mismatch(f"{at}: item {place} of {len(value)} fits nothing")

    def _check_map(self, node: Node, value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise Mismatch(f"{at}: {value!r} is not a map")
        left = dict(value)
        for entry in node.value:
            keys = [key for key in left if self._fits(entry.key, key)]
            if len(keys) < entry.least or (entry.most is not None and len(keys) > entry.most):
                raise Mismatch(f"{at}: key {entry.key.value!r} is there {len(keys)} times")
            for key in keys:
                self._check(entry.type, left.pop(key), f"{at}.{key}")
        if left:
            raise Mismatch(f"{at}: unknown keys {sorted(left, key=str)}")

    def _fits(self, node: Node | None, key: Any) -> bool:
        if node is None:
            raise SyntaxError("a map entry without a key")
        try:
            self._check(node, key, "key")
        except Mismatch:
            return False
        return True


def _load(data: bytes, at: str) -> Any:
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError, TypeError) as error:
        raise Mismatch(f"{at}: holds no CBOR: {error}") from None


def _names(node: Node) -> Iterator[str]:
    if node.kind == "name":
        yield node.value
    for child in node.children:
        yield from _names(child)
    if node.kind in ("array", "map"):
        for entry in node.value:
            yield from _names(entry.type)
            if entry.key is not None:
                yield from _names(entry.key)
