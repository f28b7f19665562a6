"""The change rule of a contract: whose yes makes a version valid.
It never checks a signature; it is told who said yes."""

import re
from collections.abc import Collection, Sequence

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import PartyId

_COUNT = re.compile(r"([1-9][0-9]{0,3}) of ([1-9][0-9]{0,3})")
FORMS = '"all", "majority", "K of N" (N = number of parties) or "decision"'


def check_rule(rule: str, parties: int, decision_ref: str | None) -> None:
    """Raise BadValue unless the rule is readable and can be met by this contract."""
    _needed(rule, parties)
    if rule == "decision" and not decision_ref:
        raise BadValue("contract.decision_ref", "is missing: the change rule asks for a decision")


def rule_is_met(rule: str, parties: Sequence[PartyId], yes: Collection[PartyId], decision_ref: str | None) -> bool:
    """Whether enough of the parties said yes. A rule "decision" needs its reference and one party that proposes."""
    if rule == "decision" and not decision_ref:
        return False
    return len(set(parties) & set(yes)) >= _needed(rule, len(parties))


def _needed(rule: str, parties: int) -> int:
    match rule:
        case "all":
            return parties
        case "majority":
            return parties // 2 + 1
        case "decision":
            return 1
    found = _COUNT.fullmatch(rule)
    if found is None:
        raise BadValue("contract.change_rule", f"{rule!r} is not readable: write {FORMS}")
    needed, of = int(found[1]), int(found[2])
    if of != parties or needed > of:
        raise BadValue("contract.change_rule", f"{rule!r} does not fit {parties} parties: write {FORMS}")
    return needed
