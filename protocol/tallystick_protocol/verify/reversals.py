"""Decisions by which uses count as if they had never been: a settled use names them, and the file shows them.
It never asks whether a decision was right: it asks whether one was signed and logged before it was relied on.
"""

from collections.abc import Mapping

from tallystick_protocol.cose import ContentType
from tallystick_protocol.ids import H32, use_id
from tallystick_protocol.records import Reversal
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Case, ensure
from tallystick_protocol.verify.report import Check, Misfit


def check_reversals(case: Case) -> Check:
    """Every decision that a settlement relies on is about its use and stands in the log before it; raises Misfit."""
    found = 0
    for account in case.verified():
        for index, use in account.leaves.uses.items():
            name = case.use_name(use)
            slices = account.leaves.slices.get(index, {}).values()
            spans = {(one.from_total, one.to_total) for one in slices} or {(use.from_total, use.to_total)}
            for h, decision in _decisions(case, use):
                item = next(one for one in case.items if one.h == h)
                ensure(item.leaf < account.item.leaf, name, f"was reversed after {account.name}, which relies on it")
                same = (decision.from_total, decision.to_total) in spans
                is_hidden = use.slices is not None and not slices  # a curve is for its payer alone
                ensure(same or is_hidden, name, "was reversed by a decision about other counts")
                found += 1
            ensure(counted(case, use) >= 0, name, "was reversed by decisions about more than it counted")
    _check_none_is_forgotten(case)
    text = f"{words.count(found, 'use')} reversed: a signed decision says so for each, none costs or counts anything"
    return Check("reversals", True, text, {"reversed": found})


def _check_none_is_forgotten(case: Case) -> None:
    """A decision is in the file because a settlement relies on it; else its use is billed as if nothing was decided."""
    named = {h for leaves in case.leaves.values() for use in leaves.uses.values() for h in use.reversals}
    for item in case.of(ContentType.REVERSAL):
        ensure(item.h in named, item.name, "is signed and logged, and no settlement in the file heeds it")


def reversed_in(case: Case, use: Use) -> Mapping[H32, H32]:
    """use id -> the decision that reversed it: of the use or of its slices. Raises Misfit for one that is not shown."""
    found = {use_id(one.channel_hash, one.number): h for h, one in _decisions(case, use)}
    ensure(len(found) == len(use.reversals), case.use_name(use), "is reversed twice")
    return found


def counted(case: Case, use: Use) -> int:
    """What a use counts without what was reversed of it."""
    return use.to_total - use.from_total - sum(one.to_total - one.from_total for _, one in _decisions(case, use))


def _decisions(case: Case, use: Use) -> list[tuple[H32, Reversal]]:
    if not use.reversals:
        return []
    known = {item.h: item.body for item in case.of(ContentType.REVERSAL)}
    found = []
    for h in use.reversals:
        body = known.get(h)
        if not isinstance(body, Reversal):
            raise Misfit(case.use_name(use), "is reversed by a decision that is not in the file")
        mine = body.channel_hash == use.channel_hash and (use.slices is not None or body.number == use.number)
        ensure(mine, case.use_name(use), "is reversed by a decision about another use")
        found.append((h, body))
    return found
