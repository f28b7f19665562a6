"""What a host may try with reversed uses is refused by name: before their month is settled, and after it was."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection
from support import evidence_builder as b
from support import evidence_world as w
from support.books import DAY, HOUR, T0, place
from support.cheats import Cheat
from support.cheats_page import rows_under
from support.cheats_reversal import REVERSED, Reversing
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.evidence.service import Wanted, evidence
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.settlement import service
from tallystick_cloud.settlement.uses import Gathered
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.settle import Built, RatedUse
from tallystick_protocol.statement import Statement
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, Report, verify_evidence


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.BRUNO, w.ANNA])
def test_an_honest_reversal_is_valid_to_all(party: PartyId) -> None:
    assert verify_evidence(Reversing().make(party), w.policy(party)).ok


@pytest.mark.parametrize("cheat", REVERSED, ids=[cheat.name for cheat in REVERSED])
def test_a_cheat_is_named(cheat: Cheat) -> None:
    report = verify_evidence(cheat.make(), w.policy(cheat.party))
    assert not report.ok, report.verdict
    assert cheat.named in report.verdict


# ------------------------------------------------------------ reversed after its month was settled

Change = Callable[[Statement, bytes], Statement]
Keep = Callable[[RatedUse], bool]


def taken_back(times: int) -> Change:
    """The lines of the reversed wash stand there so often."""

    def change(one: Statement, use: bytes) -> Statement:
        lines = [line for line in one.lines for _ in range(times if line.ref == use else 1)]
        return replace(one, lines=tuple(lines), closing=one.opening + sum(line.amount for line in lines))

    return change


def all_but_what_came_after(one: RatedUse) -> bool:
    """What came after it in its counters is not priced again."""
    return one.reversal is not None or one.was is None


def all_but_the_reversed(one: RatedUse) -> bool:
    """What came after it is priced again, and the reversed use keeps its price."""
    return one.reversal is None


REPRICED = "was priced from other counters"
LATE: dict[str, tuple[str, Change | None, Keep | None, str]] = {
    "what was charged for a reversed wash is kept": ("Anna", taken_back(0), None, "does not charge use 1"),
    "it is given back twice": ("Anna", taken_back(2), None, "two lines of one kind for one use"),
    "the lender keeps the share of a reversed wash": ("Bank", taken_back(0), None, "gives you 0.00 EUR of use 1"),
    "what came after a reversed wash keeps its price": (
        "Bank",
        None,
        all_but_what_came_after,
        "was priced from other counters",
    ),
    "a reversed wash is left out of the next settlement": (
        "Bank",
        None,
        all_but_the_reversed,
        "was priced from other counters",
    ),
}


class Undo(Exception):
    """Ends the transaction; everything is as it was."""


@pytest.fixture(scope="module")
def december() -> Iterator[World]:
    """Five washes in November, of which the first was reversed after it was settled, and two in December."""
    world = open_world()
    for day in range(5):
        world.wash(T0 + day * DAY + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    first = min(world.books.rows(schema.use), key=place)["use_id"]
    world.books.run(reverse, world.community, first, "it never ran", AFTER_NOVEMBER + HOUR)
    for day in (31, 32):
        world.wash(T0 + day * DAY + 9 * HOUR)
    yield world
    world.books.database.close()


def settled(world: World, name: str) -> Report:
    """What the party's verifier says of December, which is open again afterwards."""
    party, context = PartyId(world.ids[name]), world.books.aggregator.of(world.community)
    found: list[Report] = []

    def run(conn: Connection) -> None:
        service.close(conn, world.office, DECEMBER, AFTER_DECEMBER)
        checkpoint(conn, context, AFTER_DECEMBER)
        made = evidence(conn, context, Wanted(party, DECEMBER, None, None))
        found.append(verify_evidence(made.data, policy_of(conn, context, party)))
        raise Undo

    with pytest.raises(Undo):
        world.books.run(run)
    return found[0]


def test_the_honest_december_is_valid(december: World) -> None:
    verdicts = {name: settled(december, name).verdict for name in ("Anna", "Bank", "Coop")}
    assert verdicts == {"Anna": VALID_SPLIT_AS_COMMITTED, "Bank": VALID, "Coop": VALID}


@pytest.mark.parametrize("name", LATE)
def test_a_late_cheat_is_named(december: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    who, change, keep, reason = LATE[name]
    build, signed, party = service.settle.build, service.reversals.signed, december.ids[who]
    use = bytes(december.books.rows(schema.reversal)[0]["use_id"])  # type: ignore[arg-type]

    def told(one: Statement) -> Statement:
        return change(one, use) if change and one.party == party else one

    def built(*args: Any) -> Built:
        made = build(*args)
        return b.rebuilt(made, statements=[told(one) for one in made.statements])

    def gathered(*args: Any) -> Gathered:
        made = signed(*args)
        pairs = [pair for pair in zip(made.rated, made.rows, strict=True) if keep is None or keep(pair[0])]
        return Gathered(tuple(one for one, _ in pairs), tuple(row for _, row in pairs))

    monkeypatch.setattr(service.settle, "build", built)
    monkeypatch.setattr(service.reversals, "signed", gathered)
    report = settled(december, who)
    assert not report.ok, report.verdict
    assert reason in report.verdict


def test_the_page_lists_them() -> None:
    rows = [(one.name, f"`{one.named}`") for one in REVERSED]
    rows += [(name, f"`{reason}`") for name, (*_, reason) in LATE.items()]
    assert rows_under("A use that counts as if it had never been") == rows
