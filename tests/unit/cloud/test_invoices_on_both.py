"""Documents on PostgreSQL and SQLite: numbers without a gap when several issue at once, and nothing twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import postgres
from support.invoices import Office
from support.money_world import open_money


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
