"""The books: late uses re-rate what comes after them, minimums, shadow, as-of, and closing twice."""

import threading

import pytest
from sqlalchemy import Connection, select
from support.books import DAY, ENERGY, HOUR, T0, TOWN, WASHES, Books, follows, open_books, shares_in
from support.uploads import Randomness, SimGateway, money, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.errors import Conflict
from tallystick_cloud.ledger.balances import as_of, balances
from tallystick_cloud.ledger.period import close
from tallystick_cloud.town.service import agree
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract, ContractState

NOVEMBER_END = T0 + 30 * DAY
LIFETIME_CAP = 2_500_000_000
TWO_SITES = TOWN.replace(
    '[[contract]]\nfile = "washes.toml"',
    """\
[[asset]]
id = "washer-2"
name = "Washer 2"
kind = "washing-machine"
[[site]]
id = "attic"
name = "Attic"
[[site.channel]]
number = 2
meter = "m-washer-2"
asset = "washer-2"
quantity = "cycles"
unit = "cycle"
form = "event"
profile = "test"
[[contract]]
file = "washes.toml\"""",
)
TWO_WASHERS = WASHES.replace(
    "[tariff]",
    '[[user]]\nname = "Ben"\n[[asset]]\nasset = "washer-2"\nquantity = "cycles"\nuser = "Ben"\n[tariff]',
)


def two_sites(url: str = "sqlite://") -> tuple[Books, SimGateway, SimGateway]:
    books = open_books(url, TWO_SITES, {"washes.toml": TWO_WASHERS, "energy.toml": ENERGY})
    cellar, attic = SimGateway("cellar"), SimGateway("attic")
    books.enrol(cellar, "cellar")
    books.enrol(attic, "attic")
    return books, cellar, attic


def standing(books: Books) -> dict[bytes, dict[str, object]]:
    found: dict[bytes, dict[str, object]] = {}
    for row in sorted(books.rows(schema.use_rating), key=lambda row: row["revision"]):  # type: ignore[arg-type,return-value]
        found[row["use_id"]] = row  # type: ignore[index]
    return found


def bank_shares(books: Books, uses: set[object] | None = None) -> list[int]:
    """Of the party with the capped step, over all standing ratings (of these uses)."""
    bank = next(row["id"] for row in books.rows(schema.party) if row["name"] == "Bank")
    assert isinstance(bank, bytes)
    return [
        amount
        for row in standing(books).values()
        for party, amount in shares_in(row)
        if party == bank.hex() and (uses is None or row["use_id"] in uses)
    ]


def test_late_use_re_rates_the_later_ones_of_its_counter_and_names_the_cause() -> None:
    books, cellar, attic = two_sites()
    for number in range(1, 6):
        start = T0 + number * 2 * HOUR
        books.seal_and_send(cellar, wash(2, number * 3 - 2, number, number, start, start + HOUR), T0 + DAY)
    assert sum(bank_shares(books)) == LIFETIME_CAP
    assert books.rows(schema.journal)[-1]["cause"] == "batch"
    books.seal_and_send(attic, wash(2, 1, 1, 1, T0, T0 + HOUR), T0 + 2 * DAY)
    corrections = [row for row in books.rows(schema.journal) if row["cause"] == "correction"]
    late = next(row["use_id"] for row in books.rows(schema.use) if row["asset"] == "washer-2")
    again = [row for row in books.rows(schema.use_rating) if row["revision"] == 2]
    revised = [row for row in again if row["journal"] is not None]
    assert len(corrections) == len(revised) == 2  # the cap is now reached one use earlier
    assert len(again) == 4  # and under two more the counter moved
    assert {row["cause"] for row in again} == {late}
    assert {row["cause_ref"] for row in corrections} == {row["use_id"] for row in revised}
    assert sum(bank_shares(books)) == LIFETIME_CAP
    assert books.audit() == []


def test_lifetime_cap_is_repaid_to_the_nano_and_then_reverts() -> None:
    books, cellar, _ = two_sites()
    for number in range(1, 9):
        start = T0 + number * 2 * HOUR
        books.seal_and_send(cellar, wash(2, number * 3 - 2, number, number, start, start + HOUR))
    shares = bank_shares(books)
    assert sum(shares) == LIFETIME_CAP
    assert shares[-1] == 0
    assert any(0 < share < 680_000_000 for share in shares)
    assert books.audit() == []


def energy(first: int, total: int, t_ms: int, used: int) -> list[object]:
    return [money(1, [segment(first, [(t_ms, total), (t_ms + 15 * 60_000, total + used)], serial="S1")])]


def test_minimum_is_topped_up_at_the_close_and_late_uses_correct_it() -> None:
    books, cellar, _ = two_sites()
    books.seal_and_send(cellar, energy(1, 1_000, T0, 4_000))  # type: ignore[arg-type]
    books.run(close, "lindenhof", T0, NOVEMBER_END + HOUR)
    minimum = next(row for row in books.rows(schema.use) if row["form"] == "minimum")
    assert standing(books)[minimum["use_id"]]["fee"] == 5_000_000_000 - 1_200_000_000  # type: ignore[index]
    used = energy(3, 5_000, T0 + DAY, 2_000)
    books.seal_and_send(cellar, used, NOVEMBER_END + 2 * HOUR)  # type: ignore[arg-type]
    ratings = standing(books)
    assert ratings[minimum["use_id"]]["fee"] == 5_000_000_000 - 1_800_000_000  # type: ignore[index]
    energy_chain = minimum["chain"]
    uses = [row["use_id"] for row in books.rows(schema.use) if row["chain"] == energy_chain]
    assert sum(int(ratings[use]["fee"]) for use in uses) == 5_000_000_000  # type: ignore[index,call-overload]
    assert books.audit() == []


def test_minimum_is_due_without_any_use() -> None:
    books, _, _ = two_sites()
    books.run(close, "lindenhof", T0, NOVEMBER_END + HOUR)
    assert [row["fee"] for row in books.rows(schema.use_rating)] == [5_000_000_000]
    assert books.audit() == []


def test_closing_twice_changes_nothing() -> None:
    books, cellar, _ = two_sites()
    books.seal_and_send(cellar, energy(1, 1_000, T0, 4_000))  # type: ignore[arg-type]
    books.run(close, "lindenhof", T0, NOVEMBER_END + HOUR)
    before = books.dump()
    again = books.run(close, "lindenhof", T0 + DAY, NOVEMBER_END + 2 * HOUR)
    assert all(one.again and one.period == Period(T0, NOVEMBER_END) for one in again)  # type: ignore[attr-defined]
    assert books.dump() == before


def test_period_that_is_not_over_is_not_closed() -> None:
    books, _, _ = two_sites()
    before = books.dump()
    with pytest.raises(Conflict, match="close it when it is over"):
        books.run(close, "lindenhof", T0, NOVEMBER_END - 1)
    assert books.dump() == before


def test_postings_after_a_close_belong_to_the_next_posting_period() -> None:
    books, cellar, _ = two_sites()
    books.seal_and_send(cellar, wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.run(close, "lindenhof", T0, NOVEMBER_END + HOUR)
    books.seal_and_send(cellar, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR), NOVEMBER_END + 2 * HOUR)
    periods = {row["id"]: row["closed_ms"] for row in books.rows(schema.posting_period)}
    late = books.rows(schema.journal)[-1]
    assert periods[late["posting_period"]] is None
    assert len(periods) == 2


def test_shadow_contract_prices_and_posts_nothing() -> None:
    town = TOWN.replace('file = "washes.toml"\nstate = "live"', 'file = "washes.toml"\nstate = "shadow"')
    books = open_books(town=town)
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    for number in range(1, 6):
        start = T0 + number * 2 * HOUR
        books.seal_and_send(gateway, wash(2, number * 3 - 2, number, number, start, start + HOUR))
    assert {row["kind"] for row in books.rows(schema.use)} == {"shadow"}
    assert sum(int(row["fee"]) for row in books.rows(schema.use_rating)) == 5 * 1_850_000_000  # type: ignore[call-overload]
    assert books.rows(schema.posting) == []
    assert books.rows(schema.balance) == []
    assert books.audit() == []


def test_trying_a_contract_uses_up_no_cap() -> None:
    town = TOWN.replace('file = "washes.toml"\nstate = "live"', 'file = "washes.toml"\nstate = "shadow"')
    books = open_books(town=town)
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    for number in range(1, 4):
        start = T0 + number * 2 * HOUR
        books.seal_and_send(gateway, wash(2, number * 3 - 2, number, number, start, start + HOUR))
    go_live(books, T0 + DAY)
    for number in range(4, 9):
        start = T0 + DAY + number * 2 * HOUR
        books.seal_and_send(gateway, wash(2, number * 3 - 2, number, number, start, start + HOUR))
    live = {row["use_id"] for row in books.rows(schema.use) if row["kind"] == "live"}
    assert len(live) == 5
    assert sum(bank_shares(books, live)) == LIFETIME_CAP
    assert books.audit() == []


def go_live(books: Books, from_ms: int) -> None:
    """The next version of the washes contract, live by everybody's signature."""
    row = next(row for row in books.rows(schema.contract_version) if row["name"] == "Washes")
    old = Contract.decode(row["payload"])  # type: ignore[arg-type]
    new = follows(books, row["h"], old, state=ContractState.LIVE, effective_from_ms=from_ms)  # type: ignore[arg-type]
    context = books.aggregator.of("lindenhof")
    standing = books.run(agree, context, new, books.founded.hosted, Randomness("live"), T0)
    assert standing.state is ContractState.LIVE  # type: ignore[attr-defined]


def test_what_was_known_at_a_moment_stays_known() -> None:
    books, cellar, attic = two_sites()
    for number in range(1, 6):
        start = T0 + number * 2 * HOUR
        books.seal_and_send(cellar, wash(2, number * 3 - 2, number, number, start, start + HOUR), T0 + DAY + number)
    then = books.database.read_now(as_of, "lindenhof", T0 + DAY + 3)
    published = books.database.read_now(balances, "lindenhof")
    books.seal_and_send(attic, wash(2, 1, 1, 1, T0, T0 + HOUR), T0 + 2 * DAY)
    assert books.database.read_now(as_of, "lindenhof", T0 + DAY + 3) == then
    assert books.database.read_now(as_of, "lindenhof", T0 + DAY + 5) == published
    assert books.database.read_now(balances, "lindenhof") != published
    assert sum(then.values()) == 0


def test_gateways_at_once_on_either_database_leave_dense_logs_and_true_books(either_url: str) -> None:
    books, cellar, attic = two_sites(either_url)
    uploads = {
        gateway: [
            gateway.seal(wash(2, n * 3 - 2, n, n, T0 + n * 2 * HOUR, T0 + n * 2 * HOUR + HOUR)) for n in range(1, 13)
        ]
        for gateway in (cellar, attic)
    }
    failures: list[object] = []

    def work(gateway: SimGateway) -> None:
        for upload in uploads[gateway]:
            outcome = books.send(gateway, upload, T0 + DAY)
            if outcome.receipt.status is not ReceiptStatus.ACCEPTED:
                failures.append(outcome)

    threads = [threading.Thread(target=work, args=(gateway,)) for gateway in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert books.audit() == []
    assert len(books.rows(schema.use)) == 24
    leaves = books.database.read_now(_leaves)
    assert leaves == list(range(len(leaves)))
    books.database.close()


def _leaves(conn: Connection) -> list[int]:
    return list(conn.execute(select(schema.log_leaf.c.leaf).order_by(schema.log_leaf.c.leaf)).scalars())
