"""Match rules: which broadcast signals a bus client asked for (D-Bus specification, "Match Rules").
It reads the unquoted form bleak writes and the quoted one of dbus-fast, and never sees a method call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbus_fast import Message, MessageType


@dataclass(frozen=True, slots=True)
class MatchRule:
    """Conditions as written; every one of them must hold."""

    conditions: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> MatchRule:
        """`a=b,c='d'` as a rule. Raises ValueError naming the piece without a `=`."""
        conditions: dict[str, str] = {}
        for piece in filter(None, text.split(",")):
            key, equals, value = piece.partition("=")
            if not equals:
                raise ValueError(f"match rule: {piece!r} has no '='")
            conditions[key.strip()] = value.strip().strip("'")
        return cls(conditions)

    def accepts(self, signal: Message, senders: frozenset[str]) -> bool:
        """Whether `signal`, sent by the owner of the names `senders`, passes."""
        return all(_holds(key, value, signal, senders) for key, value in self.conditions.items())


def _holds(key: str, value: str, signal: Message, senders: frozenset[str]) -> bool:
    match key:
        case "type":
            return value == "signal" and signal.message_type is MessageType.SIGNAL
        case "sender":
            return value in senders
        case "interface":
            return value == signal.interface
        case "member":
            return value == signal.member
        case "path":
            return value == signal.path
        case "path_namespace":
            return signal.path is not None and (signal.path == value or signal.path.startswith(value.rstrip("/") + "/"))
        case "arg0":
            return bool(signal.body) and signal.body[0] == value
        case "arg0path":
            return bool(signal.body) and _path_matches(value, str(signal.body[0]))
        case _:
            return False


def _path_matches(rule: str, path: str) -> bool:
    if rule == path:
        return True
    return (rule.endswith("/") and path.startswith(rule)) or (path.endswith("/") and rule.startswith(path))
