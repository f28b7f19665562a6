"""What a vector file holds: cases of one kind with hex input and an expectation, and the edits that make bad ones.
It never decides what is right: expectations are written by hand beside each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any

import cbor2

DELETE = object()
APPEND = object()


@dataclass(frozen=True)
class Case:
    """One vector. `rule` marks a failure that the CDDL alone cannot see."""

    kind: str
    name: str
    data: bytes
    expect: str = "ok"
    field: str = ""
    rule: bool = False
    given: Mapping[str, Any] = default(default_factory=dict)
    gives: Mapping[str, Any] = default(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        case: dict[str, Any] = {"name": self.name, "kind": self.kind, "hex": self.data.hex(), "expect": self.expect}
        if self.field:
            case["field"] = self.field
        if self.rule:
            case["beyond_cddl"] = True
        if self.given:
            case["given"] = dict(self.given)
        if self.gives:
            case["gives"] = dict(self.gives)
        return case


def plain(value: Any) -> Any:
    """Decoded CBOR with lists and dicts that can be edited."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


def edit(data: bytes, path: Sequence[int], new: Any) -> bytes:
    """The same message with the item at `path` replaced, removed (DELETE) or, for a list, appended to."""
    value = plain(cbor2.loads(data))
    target = value
    for step in path[:-1]:
        target = target[step]
    if new is DELETE:
        del target[path[-1]]
    elif isinstance(new, tuple) and new and new[0] is APPEND:
        target[path[-1]].append(new[1])
    else:
        target[path[-1]] = new
    return cbor2.dumps(value, canonical=True)


class Cases:
    """Collects the cases of one kind around one good message."""

    def __init__(self, kind: str, good: bytes) -> None:
        self.kind, self.good = kind, good
        self.cases: list[Case] = []

    def ok(self, name: str, data: bytes, gives: Mapping[str, Any] | None = None) -> None:
        self.cases.append(Case(self.kind, name, data, gives=gives or {}))

    def bad(self, name: str, data: bytes, expect: str, field: str, *, rule: bool = False) -> None:
        self.cases.append(Case(self.kind, name, data, expect, field, rule))

    def edited(self, name: str, path: Sequence[int], new: Any, expect: str, field: str, *, rule: bool = False) -> None:
        self.bad(name, edit(self.good, path, new), expect, field, rule=rule)

    def common(self, label: str, *, version: bool = True, tagged: str = "bad-type") -> None:
        """What every map must refuse: bytes after it, an unknown critical key, another version, another type.

        `tagged`: the code for a tag around it; where the message is as deep as any may be, that is one level too many.
        """
        self.ok("unknown key 64 is ignored", edit(self.good, [64], "later"))
        self.bad("a byte after the message", self.good + b"\x00", "not-canonical", label, rule=True)
        self.bad("cut short", self.good[:-1], "not-canonical", label)
        self.edited("unknown critical key 63", [63], 1, "unsupported", label)
        self.bad("an array instead of the map", cbor2.dumps([1, 2]), "bad-type", label)
        self.bad("a tag around it", b"\xc1" + self.good, tagged, label)
        if version:
            self.edited("version 2", [0], 2, "unsupported", f"{label}.version")
            self.edited("no version", [0], DELETE, "missing-field", f"{label}.version")
            self.edited("the version as text", [0], "1", "bad-type", f"{label}.version")
