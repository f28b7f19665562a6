"""The ledger of one asset: it sums to what was split, as of any day, and names no user."""

from collections.abc import Iterator

import pytest
from support.books import DAY, HOUR, T0, Books, open_books
from support.uploads import SimGateway, money, segment, wash
from tallystick_cloud.assets.ledger import AssetLedger, ledger_of
from tallystick_cloud.commands import asset as command
from tallystick_cloud.errors import NotFound

MINUTE = 60_000


@pytest.fixture
def books() -> Iterator[Books]:
    """Two washes in November and one in December, one flat; the third wash is heard of a day late."""
    found = open_books()
    gateway = SimGateway("cellar")
    found.enrol(gateway, "cellar")
    readings = [(T0 + at * 5 * MINUTE, 1_000 + at * 50) for at in range(13)]
    starts = [T0, T0 + DAY, T0 + 30 * DAY]
    found.seal_and_send(gateway, [money(1, [segment(1, readings, serial="S1")])], T0 + HOUR)
    for at, start in enumerate(starts):
        parts = wash(2, 1 + 3 * at, 1 + at, 1 + at, start, start + HOUR, programme="30" if at == 1 else "60")
        found.seal_and_send(gateway, parts, start + DAY)
    yield found
    found.database.close()


def ledger(books: Books, asset: str = "washer", as_of_ms: int = T0 + 60 * DAY) -> AssetLedger:
    return books.database.read_now(ledger_of, "lindenhof", asset, "UTC", "EUR", as_of_ms)


def test_months_sum_to_what_was_split(books: Books) -> None:
    found = ledger(books)
    assert [(one.month, one.uses, one.payers, one.revenue) for one in found.months] == [
        ("2026-11", 2, 1, 3_050_000_000),
        ("2026-12", 1, 1, 1_850_000_000),
    ]
    for month in found.months:
        assert sum(month.shares.values()) == month.revenue
    assert (found.revenue, sum(found.shares.values())) == (4_900_000_000, 4_900_000_000)
    assert (found.contracts, found.shadow_uses, found.open_spans) == (("Washes",), 0, 0)


def test_claims_say_what_was_taken_of_the_cap(books: Books) -> None:
    (claim,) = ledger(books).claims
    taken = (1_700 + 1_050 + 1_700) * 400_000  # 40 % of what the repairer's 0.15 left
    assert (claim.holders, claim.counter, claim.per) == (("Bank",), "loan", "lifetime")
    assert (claim.taken, claim.cap) == (taken, 2_500_000_000)
    assert ledger(books).shares["Bank"] == taken


def test_as_of_knows_only_what_was_recorded(books: Books) -> None:
    early = ledger(books, as_of_ms=T0 + DAY)  # the first wash came then
    assert [(one.month, one.uses) for one in early.months] == [("2026-11", 1)]
    assert early.claims[0].taken == 680_000_000
    assert ledger(books, as_of_ms=T0 + DAY - 1).months == ()


def test_interval_uses_and_shadow_have_their_places(books: Books) -> None:
    flat = ledger(books, "flat")
    assert [(one.month, one.revenue) for one in flat.months] == [("2026-11", 180_000_000)]
    assert flat.contracts == ("Energy",)


def test_nobody_who_uses_it_is_named(books: Books) -> None:
    for asset in ("washer", "flat"):
        printed = command._as_text(ledger(books, asset)) + str(command._as_json(ledger(books, asset)))
        assert "Anna" not in printed
        assert "Ben" not in printed


def test_a_stranger_is_named_with_the_next_step(books: Books) -> None:
    with pytest.raises(NotFound, match="'dryer' is not an asset of lindenhof; see `tallystick asset list`"):
        ledger(books, "dryer")


def test_people_read_it(books: Books) -> None:
    lines = command._as_text(ledger(books)).splitlines()
    assert lines[0] == "Washer (washing-machine), as known at 2026-12-31 00:00 UTC"
    assert "2026-11       2 uses      1 payer  3.05 EUR" in lines
    assert "claim: Bank, loan of Washes: 1.78 EUR of 2.50 EUR per lifetime" in lines
    assert "in all: 4.90 EUR, all of it split" in lines
