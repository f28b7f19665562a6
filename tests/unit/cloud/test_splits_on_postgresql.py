"""Split instructions on PostgreSQL: charged, passed on, and taken back."""

from support import postgres
from support.splits import CENT, Splits
from tallystick_cloud.splits.model import Outcome


def test_the_books_close_and_open_again(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        town = Splits(url, washes=2)
        before = town.owed()
        town.to_the_provider()
        assert town.file() == town.file()
        town.tell(Outcome.PAID)
        assert town.owed() == {name: nano % CENT for name, nano in before.items()}
        town.tell_returned()
        assert town.owed() == before
        assert town.books.audit() == []
        town.books.database.close()
