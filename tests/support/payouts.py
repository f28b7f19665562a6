"""A community in which a collector owes money to people with and without bank accounts, for tests of payouts.

What is owed is posted through the ledger's own function, never written into a balance.
"""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, select
from support.books import NOTICE, PARTIES, T0, WASHES, Books, open_books
from tallystick_cloud import schema
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.payouts import service
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.runs.model import Proposal

EURO = 10**9
CENT = 10**7
DAY = date(2026, 11, 5)
IBANS = {
    "Coop": "DE89370400440532013000",
    "Repairer": "IT60X0542811101000000123456",
    "Bank": "AT611904300234573201",
    "Fund": "NL91ABNA0417164300",
}


def party(name: str, form: str, roles: str, iban: str | None) -> str:
    account = "" if iban is None else f'iban = "{iban}"\n'
    return f'[[party]]\nname = "{name}"\nform = "{form}"\nroles = [{roles}]\nkey = "hosted"\n{account}'


TOWN = (
    """\
version = 1
[community]
id = "lindenhof"
name = "Lindenhof eG"
zone = "UTC"
unit = "EUR"
log = "log.example/lindenhof"
"""
    + party("Coop", "organisation", '"community_manager", "owner"', IBANS["Coop"])
    + party("Repairer", "person", '"servicer"', IBANS["Repairer"])
    + party("Bank", "organisation", '"financier"', IBANS["Bank"])
    + party("Fund", "fund", "", IBANS["Fund"])
    + party("Anna", "person", '"user"', None)
    + party("Ben", "person", '"user"', None)
    + party("Maria", "person", '"community_manager"', None)
    + party("Stranger", "person", '"user"', None)
    + """\
[[asset]]
id = "washer"
name = "Washer"
kind = "washing-machine"
user = "Anna"
[[asset]]
id = "dryer"
name = "Dryer"
kind = "dryer"
user = "Ben"
[[contract]]
file = "washes.toml"
state = "live"
[[contract]]
file = "drying.toml"
state = "live"
"""
)
LOW = NOTICE.replace("[terms]", "[terms]\npayout_threshold = 1.00")
WASHING = WASHES.replace(NOTICE, LOW)
DRYING = (
    WASHING.replace('"Washes"', '"Drying"')
    .replace('asset = "washer"', 'asset = "dryer"')
    .replace('"loan"', '"loan for the dryer"')
    .replace("[terms]", '[terms]\npayout_approval = "other-party"')
)
assert PARTIES in DRYING
assert "other-party" in DRYING


class Payouts:
    """The community, with short words for what tests do."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.community = books.community
        self.ids = books.database.read_now(ids_by_name, self.community)
        self.chains = books.database.read_now(chains_of)
        self._posted = 0

    def earn(self, owed: Mapping[str, int], contract: str = "Washes", now_ms: int = T0, holder: str = "Coop") -> None:
        """Nano per party; what the payer Anna owes the collector balances it. Negative: a clawback."""
        chain, coop = self.chains[contract], self.ids[holder]
        lines = {self._line(coop, name, chain): -nano for name, nano in owed.items()}
        lines[Line(coop, Account.RECEIVABLE, self.ids["Anna"], chain, "EUR")] = sum(owed.values())
        self._posted += 1
        entry = journals.Entry(f"test:{self._posted}", "test", bytes(32), lines)
        self.books.database.write_now(journals.post, self.community, [entry], now_ms)

    def _line(self, coop: bytes, name: str, chain: bytes) -> Line:
        account = Account.FUND if name == "Fund" else Account.PAYABLE
        return Line(coop, account, self.ids[name], chain, "EUR")

    def owed(self, name: str, contract: str = "Washes", account: Account | None = None) -> int:
        """What stands on an account, as what is owed: positive."""

        def read(conn: Connection) -> int:
            line = self._line(self.ids["Coop"], name, self.chains[contract])
            found = conn.execute(
                select(schema.balance.c.amount).where(
                    schema.balance.c.party == self.ids[name],
                    schema.balance.c.chain == self.chains[contract],
                    schema.balance.c.account == (account or line.account).value,
                )
            ).scalar()
            return -(found or 0)

        return self.books.database.read_now(read)

    def propose(self, by: str = "Coop", key: str = "one", day: date = DAY, now_ms: int = T0) -> Run:
        asked = Proposal(key, self.ids[by], None, day)
        return self.books.database.write_now(service.propose, self.community, asked, now_ms)

    def approve(self, by: str, number: int = 1, now_ms: int = T0) -> Run:
        return self.books.database.write_now(service.approve, self.community, number, self.ids[by], now_ms)

    def file(self, number: int = 1, now_ms: int = T0) -> bytes:
        return self.books.database.write_now(service.bank_file, self.community, number, now_ms)

    def sent(self, by: str = "Coop", number: int = 1, now_ms: int = T0) -> Run:
        return self.books.database.write_now(service.mark_sent, self.community, number, self.ids[by], now_ms)


def chains_of(conn: Connection) -> dict[str, bytes]:
    rows = conn.execute(select(schema.contract_version.c.name, schema.contract_version.c.chain))
    return {name: bytes(chain) for name, chain in rows}


def open_payouts(url: str = "sqlite://", town: str = TOWN) -> Payouts:
    return Payouts(open_books(url, town=town, contracts={"washes.toml": WASHING, "drying.toml": DRYING}))
