"""A community with two closed months of real signed uploads, for tests of settlements and evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection
from support.books import DAY, HOUR, T0, Books, open_books
from support.uploads import SimGateway, money, segment, wash
from tallystick_cloud.evidence.model import Made, Wanted
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.evidence.service import evidence
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.model import Closed
from tallystick_cloud.settlement.office import Office
from tallystick_cloud.settlement.service import close
from tallystick_protocol.codes import Scope
from tallystick_protocol.ids import PartyId
from tallystick_protocol.policy import load_policy
from tallystick_protocol.verify import Report, verify_evidence

NOVEMBER = T0 + DAY
DECEMBER = T0 + 31 * DAY
AFTER_NOVEMBER = T0 + 30 * DAY + HOUR
AFTER_DECEMBER = T0 + 61 * DAY + HOUR


@dataclass
class World:
    """The community with a gateway, and short words for what tests do."""

    books: Books
    gateway: SimGateway
    events: int = 0
    uses: int = 0
    readings: int = 0
    total: int = 1000
    ids: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def community(self) -> str:
        return self.books.community

    @property
    def office(self) -> Office:
        return Office(self.books.aggregator.of(self.community), self.books.aggregator.entropy)

    def wash(self, start_ms: int, programme: str = "60", now_ms: int | None = None) -> None:
        """One wash of an hour, uploaded when it ended."""
        self.uses += 1
        parts = wash(2, self.events + 1, self.uses, self.uses, start_ms, start_ms + HOUR, programme)
        self.events += 3
        self.books.seal_and_send(self.gateway, parts, now_ms or start_ms + HOUR)

    def meter(self, points: list[tuple[int, int]], now_ms: int | None = None) -> None:
        """Readings (t_ms, Wh) of the flat's meter in one part."""
        part = money(1, [segment(self.readings + 1, points, serial="S1")])
        self.readings += len(points)
        self.books.seal_and_send(self.gateway, [part], now_ms or points[-1][0])

    def close(self, at_ms: int, now_ms: int) -> list[Closed]:
        return self.books.database.write_now(close, self.office, at_ms, now_ms)

    def sign(self, now_ms: int) -> bytes:
        return self.books.database.write_now(checkpoint, self.books.aggregator.of(self.community), now_ms)

    def evidence(
        self,
        name: str,
        at_ms: int,
        chain: bytes | None = None,
        scope: Scope | None = None,
        now_ms: int = AFTER_DECEMBER,
    ) -> Made:
        self.sign(now_ms)
        wanted = Wanted(PartyId(self.ids[name]), at_ms, chain, scope)
        return self.books.database.read_now(evidence, self.books.aggregator.of(self.community), wanted)

    def verify(self, made: Made, name: str) -> Report:
        """With the policy as it is exported and read back."""

        def policy(conn: Connection) -> str:
            return policy_of(conn, self.books.aggregator.of(self.community), PartyId(self.ids[name])).to_json()

        return verify_evidence(made.data, load_policy(self.books.database.read_now(policy).encode()))


def open_world(url: str = "sqlite://", **more: object) -> World:
    books = open_books(url, **more)  # type: ignore[arg-type]
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    return World(books, gateway, ids=books.database.read_now(ids_by_name, books.community))


def two_months(url: str = "sqlite://") -> World:
    """Washes and readings in November and December, both months closed."""
    world = open_world(url)
    for day in range(4):
        world.wash(T0 + day * DAY + 9 * HOUR, "60" if day % 2 else "30")
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(40)])
    world.meter([(T0 + 30 * DAY + step * HOUR, 40_000 + step * 500) for step in range(-2, 3)])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    for day in range(30, 33):
        world.wash(T0 + day * DAY + 11 * HOUR, "60")
    world.meter([(T0 + 61 * DAY + step * HOUR, 60_000 + step * 500) for step in range(-2, 1)])
    world.close(DECEMBER, AFTER_DECEMBER)
    return world
