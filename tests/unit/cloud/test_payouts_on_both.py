"""A whole payout run on PostgreSQL, step by step in transactions of its own, as on SQLite."""

from concurrent.futures import ThreadPoolExecutor

from support import postgres
from support.books import T0
from support.payouts import EURO, open_payouts
from tallystick_cloud.payouts import service
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.runs.model import RunState


def test_a_run_from_proposal_to_paid(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        town = open_payouts(url)
        town.earn({"Repairer": 12 * EURO + 7, "Bank": 40 * EURO})
        town.propose()
        town.approve("Maria")
        assert town.file() == town.file()
        town.sent()
        run = town.books.database.write_now(service.confirm, town.community, 1, Outcome.PAID, T0)
        assert run.stored.state is RunState.SETTLED
        assert (town.owed("Repairer"), town.owed("Bank")) == (7, 0)
        assert town.books.audit() == []
        town.books.database.close()


def test_of_two_proposals_at_the_same_time_one_is_refused(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        town = open_payouts(url)
        town.earn({"Bank": 40 * EURO})

        def propose(key: str) -> str:
            try:
                return town.propose(key=key).stored.state.value
            except PayoutRefused as error:
                return error.code

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(propose, ["a", "b", "c", "d"]))
        assert sorted(answers) == ["payout-refused"] * 3 + ["proposed"]
        town.books.database.close()
