"""A community whose users owe a collector money and have signed mandates, with a bank, for tests of direct debits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from support.bank import OPENING_CENTS, BankTown
from support.books import T0
from support.payouts import CENT, IBANS, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.debits import mandates, service
from tallystick_cloud.debits.mandate import NewMandate, SequenceType
from tallystick_cloud.debits.mandates import Shown
from tallystick_cloud.debits.service import Run, Unsettled
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.runs.model import Proposal
from tallystick_sim.bank import SimBank

CREDITOR_ID = "DE98ZZZ09999999999"  # the Bundesbank's example
TODAY = date(2026, 11, 1)  # T0
DAY = TODAY + timedelta(days=14)
ANNA, BEN = "DE68210501700012345678", "FR7630006000011234567890189"


class DebitTown(BankTown):
    """Short words for what tests do with mandates and debits."""

    def owe(self, name: str, nano: int, contract: str = "Washes") -> None:
        """Somebody used something for that much, and all of it is the collector's."""
        books, ids = self.payouts.books, self.payouts.ids
        chain, coop = self.payouts.chains[contract], ids["Coop"]
        lines = {
            Line(coop, Account.RECEIVABLE, ids[name], chain, "EUR"): nano,
            Line(coop, Account.PAYABLE, coop, chain, "EUR"): -nano,
        }
        entry = journals.Entry(f"test:{len(books.rows(schema.journal))}", "test", bytes(32), lines)
        books.database.write_now(journals.post, books.community, [entry], T0)

    def new_mandate(self, name: str, **more: object) -> NewMandate:
        iban = {"Anna": ANNA, "Ben": BEN}[name]
        about = NewMandate(
            self.payouts.ids["Coop"], self.payouts.ids[name], f"M-{name}", CREDITOR_ID, BankParty(name, iban),
            date(2026, 10, 1),
        )  # fmt: skip
        return replace(about, **more)  # type: ignore[arg-type]

    def sign(self, name: str, now_ms: int = T0, **more: object) -> Shown:
        about = self.new_mandate(name, **more)
        return self.payouts.books.database.write_now(mandates.add, self.payouts.community, about, now_ms)

    def sign_again(self, payer: str, sequence: SequenceType) -> Shown:
        """Revoke the mandate and sign another one."""
        books = self.payouts.books
        books.database.write_now(mandates.revoke, books.community, f"M-{payer}", T0)
        return self.sign(payer, reference=f"N-{payer}", sequence=sequence)

    def sent(self, number: int) -> Run:
        books, coop = self.payouts.books, self.payouts.ids["Coop"]
        return books.database.write_now(service.mark_sent, books.community, number, coop, T0)

    def collect(
        self, key: str = "one", day: date = DAY, by: str = "Coop", now_ms: int = T0, unsettled: Unsettled | None = None
    ) -> Run:
        asked = Proposal(key, self.payouts.ids[by], None, day)
        return self.payouts.books.database.write_now(service.propose, self.payouts.community, asked, now_ms, unsettled)

    def approve(self, by: str = "Maria", number: int = 1, now_ms: int = T0) -> Run:
        ids, database = self.payouts.ids, self.payouts.books.database
        return database.write_now(service.approve, self.payouts.community, number, ids[by], now_ms)

    def debit_file(self, number: int = 1, now_ms: int = T0) -> bytes:
        return self.payouts.books.database.write_now(service.bank_file, self.payouts.community, number, now_ms)

    def written(self, key: str = "one", number: int = 1, day: date = DAY, now_ms: int = T0) -> bytes:
        """A run proposed, released and written; its bank file."""
        self.collect(key, day, now_ms=now_ms)
        self.approve(number=number, now_ms=now_ms)
        return self.debit_file(number, now_ms)

    def debits(self, number: int = 1) -> Run:
        return self.payouts.books.database.read_now(service.show, self.payouts.community, number)

    def due(self, name: str, contract: str = "Washes") -> int:
        """Nano on the receivable."""
        return -self.payouts.owed(name, contract, Account.RECEIVABLE)


def open_debit_town(
    url: str = "sqlite://", owed: Mapping[str, int] | None = None, signed: Sequence[str] = ()
) -> DebitTown:
    town = DebitTown(open_payouts(url), SimBank(IBANS["Coop"], OPENING_CENTS))
    for name, cents in (owed or {}).items():
        town.owe(name, cents * CENT)
    for name in signed:
        town.sign(name)
    return town
