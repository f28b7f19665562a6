"""A contract file and a table of uses played through the real books: files in, balances out, no gateway between."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from support.books import Books, open_books
from tallystick_cloud import schema
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.contracts.store import book as contract_book
from tallystick_cloud.contracts.uses_file import usages_of
from tallystick_cloud.ledger.lot import Cause
from tallystick_cloud.ledger.model import FreshUse, Kind
from tallystick_cloud.ledger.period import close
from tallystick_cloud.ledger.service import book
from tallystick_cloud.parties.store import ids_by_name
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.rating import Usage

HEADER = "asset,start,end,amount,programme,user"
EURO = 10**9


@dataclass
class Played:
    """One live contract; `uses` takes rows of a table in order of time, `close` ends the period of a local moment."""

    text: str
    url: str = "sqlite://"
    books: Books = field(init=False)
    _rows: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        told = tomllib.loads(self.text)
        people = [one["name"] for one in told["party"] + told.get("user", [])]
        town = (
            f'version = 1\n[community]\nid = "{told["community"]}"\nname = "x"\nzone = "{told["zone"]}"\n'
            f'unit = "{told["unit"]}"\nlog = "log.example/x"\n'
            + "".join(f'[[party]]\nname = "{name}"\nkey = "hosted"\n' for name in people)
            + "".join(f'[[asset]]\nid = "{one["asset"]}"\nname = "x"\nkind = "x"\n' for one in told["asset"])
            + '[[contract]]\nfile = "contract.toml"\nstate = "live"\n'
        )
        self.books = open_books(self.url, town, {"contract.toml": self.text})
        self._zone = ZoneInfo(told["zone"])

    def uses(self, rows: Sequence[str], now: str) -> None:
        """Book rows of the table (HEADER) as they become known; a table grows, and what is booked stays booked."""
        self._rows += rows
        self.books.database.write_now(self._book, self._ms(now))

    def _book(self, conn: Connection, now_ms: int) -> None:
        version = self._version(conn)
        fresh = [
            FreshUse(one, H32(version.h), H32(version.chain), Kind.LIVE, None, None, 0, None)
            for one in self._usages(conn, version)
        ]
        cause = Cause(f"table of {len(self._rows)} rows", "batch", None, now_ms)
        book(conn, self.books.community, fresh, {version.h: version}, cause)

    def _version(self, conn: Connection) -> Version:
        (version,) = contract_book(conn, self.books.community).versions
        return version

    def _usages(self, conn: Connection, version: Version) -> list[Usage]:
        names = {name: PartyId(party) for name, party in ids_by_name(conn, self.books.community).items()}
        payers = {one.asset: version.payer(one) for one in version.contract.assets}
        text = "\n".join([HEADER, *self._rows])
        return usages_of(text, version.contract, names, payers)  # type: ignore[arg-type]

    def close(self, moment: str, now: str) -> None:
        self.books.database.write_now(close, self.books.community, self._ms(moment), self._ms(now))

    def _ms(self, text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=self._zone).timestamp()) * 1000

    def owes(self) -> dict[str, int]:
        """Payer -> nano, by the balances."""
        return self._balances("receivable", 1)

    def gets(self) -> dict[str, int]:
        """Party or fund -> nano, by the balances."""
        return self._balances("payable", -1) | self._balances("fund", -1)

    def _balances(self, account: str, sign: int) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        names = {row["id"]: str(row["name"]) for row in self.books.rows(schema.party)}
        for row in self.books.rows(schema.balance):
            if row["account"] == account:
                found[names[row["party"]]] += sign * int(row["amount"])  # type: ignore[call-overload]
        return dict(found)

    def fees(self) -> dict[str, int]:
        """Programme, or "" for what has none, -> nano of its uses as they stand."""
        found: dict[str, int] = defaultdict(int)
        for row in self.books.rows(schema.standing):
            found[str(row["programme"] or "")] += int(row["fee"])  # type: ignore[call-overload]
        return dict(found)

    def end(self) -> None:
        """The books hold to their laws."""
        assert self.books.audit() == []
        self.books.database.close()
