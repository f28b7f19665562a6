"""A community with payouts at a simulated bank, for tests of what comes back from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select
from support.books import T0
from support.payouts import CENT, DAY, IBANS, Payouts, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.bank import service
from tallystick_cloud.bank.intake import take
from tallystick_cloud.bank.model import Standing
from tallystick_cloud.bank.reference import reference_of
from tallystick_cloud.bank.service import Reported, Taken
from tallystick_cloud.bank.store import StoredEntry
from tallystick_cloud.payouts import service as payout_service
from tallystick_cloud.payouts.checks import Run
from tallystick_sim.bank import SimBank

OPENING_CENTS = 500_000


@dataclass
class BankTown:
    """`payouts` with their bank; short words for what tests do."""

    payouts: Payouts
    bank: SimBank

    def released(self, number: int = 1, key: str = "one", day: date = DAY) -> bytes:
        """A run proposed, released and written; its bank file."""
        self.payouts.propose(key=key, day=day)
        self.payouts.approve("Maria", number)
        return self.payouts.file(number)

    def take(self, data: bytes, now_ms: int = T0) -> list[Taken] | Reported:
        return self.payouts.books.database.write_now(take, self.payouts.community, data, now_ms)

    def statement(self, day: date = DAY) -> list[Taken]:
        """Close a day at the bank and take its statement."""
        taken = self.take(self.bank.statement(day))
        assert isinstance(taken, list)
        return taken

    def run(self, number: int = 1) -> Run:
        return self.payouts.books.database.read_now(payout_service.show, self.payouts.community, number)

    def ends(self, number: int = 1) -> list[str]:
        return [one.end_to_end for one in self.run(number).payouts]

    def entries(self) -> list[StoredEntry]:
        return self.payouts.books.database.read_now(service.entries, self.payouts.community)

    def assign(self, entry: str, party: str) -> StoredEntry:
        books = self.payouts.books
        return books.database.write_now(service.assign, self.payouts.community, entry, self.payouts.ids[party], T0)

    def reference(self, payer: str) -> str:
        return reference_of(self.payouts.community, self.payouts.ids["Coop"], self.payouts.ids[payer])

    def standings(self) -> list[tuple[int, str]]:
        """(cents, standing) of every entry in order of booking."""
        return [(row["cents"], row["standing"]) for row in self._entries()]  # type: ignore[misc]

    def suspense(self) -> list[str]:
        return [str(row["about"]) for row in self._entries() if row["standing"] == Standing.SUSPENSE.value]

    def _entries(self) -> list[dict[str, object]]:
        rows = self.payouts.books.rows(schema.bank_entry)
        return sorted(rows, key=lambda row: (row["statement"], row["position"]))  # type: ignore[no-any-return]

    def balance(self, account: str) -> int:
        def read(conn: Connection) -> int:
            total = func.coalesce(func.sum(schema.balance.c.amount), 0)
            return int(conn.execute(select(total).where(schema.balance.c.account == account)).scalar_one())

        return self.payouts.books.database.read_now(read)

    def check_closes(self) -> None:
        """The books hold to their laws, and the bank's word is theirs but for what people booked by hand."""
        assert self.payouts.books.audit() == []
        (position,) = self.payouts.books.database.read_now(service.positions, self.payouts.community)
        assert position.bank_cents == self.bank.cents
        assert position.unseen_nano == 0
        assert position.books_nano == self.bank.cents * CENT


def open_bank_town(url: str = "sqlite://", owed: Sequence[tuple[str, int]] = ()) -> BankTown:
    payouts = open_payouts(url)
    if owed:
        payouts.earn(dict(owed))
    return BankTown(payouts, SimBank(IBANS["Coop"], OPENING_CENTS))
