"""Documents on PostgreSQL and SQLite: numbers without a gap when several issue at once, and nothing twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import postgres
from support.books import DAY, T0
from support.invoices import Office
from support.money_world import open_money
from support.shared_house import BILL, ISSUER, house, open_house
from tallystick_cloud.costs import proof
from tallystick_cloud.costs import service as costs
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.invoices import service
from tallystick_cloud.invoices.desk import Asked
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.settlement.office import Office as Settling
from tallystick_protocol.ids import PartyId
from tallystick_protocol.verify.cost import verify_cost


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    if request.param == "sqlite":
        found = Office(open_money(f"sqlite:///{tmp_path / 'cloud.db'}"))
        yield found
        found.database.close()
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        found = Office(open_money(url))
        yield found
        found.database.close()


def test_several_who_issue_at_once_leave_no_gap_and_issue_nothing_twice(office: Office) -> None:
    def work(turn: int) -> int:
        return office.self_bill(2 - turn % 2).fresh if turn % 3 else office.issue("2026-11").fresh

    with ThreadPoolExecutor(6) as pool:
        fresh = sum(pool.map(work, range(12)))
    documents = office.documents()
    assert fresh == len(documents)
    by_series: dict[str, list[int]] = {}
    for one in documents:
        series, _, position = one.number.rsplit("-", 2)
        by_series.setdefault(series, []).append(int(position))
    assert {"LH", "LH-S1", "LH-S2"} <= by_series.keys()
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in by_series.values())
    assert office.billed("Anna") == 915
    assert office.issue("2026-12").fresh == 2
    assert office.world.books.audit() == []


def test_shared_bills_make_documents_credit_notes_and_proofs_on_postgresql(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        home = open_house(url)
        home.post(house())
        home.post(house(bill=BILL.replace("heating 2025", "water 2025").replace("1234.56", "0.05")))
        write, coop = home.books.database.write_now, home.ids["Coop"]
        write(service.set_up, home.books.community, ISSUER, "setup.toml", coop, T0)
        november = write(service.issue, home.books.community, "2026-11", Asked(coop), T0 + 70 * DAY)
        assert november.fresh == 12 + 5  # five have a cent of five
        write(costs.reverse, home.books.community, "heating 2025", coop, "a wrong amount", T0 + 40 * DAY)
        december = write(service.issue, home.books.community, "2026-12", Asked(coop), T0 + 70 * DAY)
        assert december.fresh == 12
        assert sum(one.cents for one in (*november.documents, *december.documents)) == 5
        context, anna = home.books.aggregator.of(home.books.community), PartyId(home.ids["Anna"])
        write(proof.sign, Settling(context, home.books.aggregator.entropy), "heating 2025", T0)
        write(checkpoint, context, T0 + 1)
        data = home.books.database.read_now(proof.prove, context, "heating 2025", anna).encode()
        assert verify_cost(data, home.books.database.read_now(policy_of, context, anna)).verdict == "valid"
        home.books.database.close()
