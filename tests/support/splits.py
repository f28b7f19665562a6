"""A community whose washes a payment provider collects and splits, and whose energy is paid by transfer."""

import sqlite3
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date

from sqlalchemy import Connection, func, select
from support.books import DAY, ENERGY, HOUR, NOTICE, T0, TOWN, WASHES
from support.payouts import IBANS, chains_of
from support.settled import AFTER_NOVEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.runs.model import Proposal
from tallystick_cloud.splits import service
from tallystick_cloud.splits.instructions import Format
from tallystick_cloud.splits.model import Outcome
from tallystick_cloud.splits.service import Run

CENT = 10**7
PARTIES = ("Coop", "Repairer", "Bank", "Fund")
DAY_OF_RUN = date(2026, 12, 3)
NOW = AFTER_NOVEMBER + HOUR
LOW = NOTICE.replace("[terms]", "[terms]\npayout_threshold = 0.10")
PSP = WASHES.replace(NOTICE, LOW).replace('collector = "Coop"', 'collector = "Coop"\nmode = "psp"')
ENERGY_LOW = ENERGY.replace(NOTICE, LOW)
ACCOUNTS = {"Coop": "acct_coop", "Repairer": "acct_rep", "Bank": "acct_bank", "Fund": "acct_fund", "Anna": "cus_anna"}


def town(ibans: Mapping[str, str] = IBANS) -> str:
    found = TOWN
    for name, iban in ibans.items():
        found = found.replace(f'name = "{name}"\n', f'name = "{name}"\niban = "{iban}"\n', 1)
    maria = '[[party]]\nname = "Maria"\nroles = ["community_manager"]\nkey = "hosted"\n'
    return found.replace("[[asset]]", maria + "[[asset]]", 1)


class Splits:
    """The community in December, with short words for what tests do."""

    def __init__(
        self,
        url: str = "sqlite://",
        washes: int = 4,
        contract: str = PSP,
        energy: str = ENERGY_LOW,
        *,
        has_energy: bool = False,
        ibans: Mapping[str, str] = IBANS,
    ) -> None:
        files = {"washes.toml": contract, "energy.toml": energy}
        self.world: World = open_world(url, town=town(ibans), contracts=files)
        self.books, self.community, self.ids = self.world.books, self.world.community, self.world.ids
        self.chains = self.books.database.read_now(chains_of)
        for day in range(washes):
            self.world.wash(T0 + day * DAY + 9 * HOUR, "60" if day % 2 else "30")
        if has_energy:
            self.world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(10)])
        self.world.close(NOVEMBER, AFTER_NOVEMBER)
        for name, account in ACCOUNTS.items():
            self.account(name, account)

    def saved(self) -> Callable[[], None]:
        """What brings the community back to this moment; made once, it saves every test of a file the founding."""
        raw = self.books.database.engine.raw_connection().driver_connection
        assert isinstance(raw, sqlite3.Connection)
        rows, counts, gateway = raw.serialize(), dict(self.world.__dict__), deepcopy(self.world.gateway)

        def restore() -> None:
            raw.deserialize(rows)
            self.world.__dict__.update(counts, gateway=deepcopy(gateway))

        return restore

    def account(self, name: str, account: str) -> None:
        self.books.database.write_now(service.set_account, self.community, self.ids[name], account, NOW)

    def propose(self, key: str = "one", by: str = "Coop", now_ms: int = NOW, day: date = DAY_OF_RUN) -> Run:
        asked = Proposal(key, self.ids[by], None, day)
        return self.books.database.write_now(service.propose, self.community, asked, now_ms)

    def approve(self, by: str = "Maria", number: int = 1) -> Run:
        return self.books.database.write_now(service.approve, self.community, number, self.ids[by], NOW)

    def file(self, form: Format = Format.CSV, number: int = 1) -> bytes:
        return self.books.database.write_now(service.file, self.community, number, form, NOW)

    def sent(self, number: int = 1) -> Run:
        return self.books.database.write_now(service.mark_sent, self.community, number, self.ids["Coop"], NOW)

    def tell(self, outcome: Outcome, number: int = 1, now_ms: int = NOW) -> Run:
        return self.books.database.write_now(service.tell, self.community, number, outcome, self.ids["Coop"], now_ms)

    def tell_returned(self, number: int = 1) -> Run:
        """The payers' bank takes all payments of a run back."""
        return self.books.database.write_now(
            lambda conn: service.tell(
                conn,
                self.community,
                number,
                {one.id: Outcome.RETURNED for one in service.show(conn, self.community, number).payments},
                self.ids["Coop"],
                NOW,
            )
        )

    def to_the_provider(self, number: int = 1, key: str = "one", now_ms: int = NOW, day: date = DAY_OF_RUN) -> Run:
        self.propose(key, now_ms=now_ms, day=day)
        self.approve(number=number)
        self.file(number=number)
        return self.sent(number)

    def take(self, text: str) -> list[Run]:
        return self.books.database.write_now(service.take, self.community, text.encode(), self.ids["Coop"], NOW)

    def owed(self) -> dict[str, int]:
        """Nano that each party of the washes is owed."""
        return {name: -self.balance("fund" if name == "Fund" else "payable", name) for name in PARTIES}

    def balance(self, account: str, name: str, contract: str = "Washes") -> int:
        """Nano as it stands: what is owed to somebody is negative."""

        def read(conn: Connection) -> int:
            of = schema.balance.c
            where = (of.account == account, of.party == self.ids[name], of.chain == self.chains[contract])
            return int(conn.execute(select(func.coalesce(func.sum(of.amount), 0)).where(*where)).scalar_one())

        return self.books.database.read_now(read)
