"""Twelve members on one contract, four machines in three slots: no file tells one about another, or a host's tricks."""

from collections.abc import Iterator
from itertools import pairwise

import cbor2
import pytest
from sqlalchemy import Connection, select
from support.books import DAY, HOUR, NOTICE, PARTIES, T0, open_books
from support.settled import AFTER_NOVEMBER, NOVEMBER, World
from support.uploads import Randomness, SimGateway, event, money, personal
from tallystick_cloud import schema
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.settlement.model import TreeKey
from tallystick_protocol import cbor, cose
from tallystick_protocol.codes import EventCode, Scope
from tallystick_protocol.cose import ContentType
from tallystick_protocol.evidence import USER_KEY, Evidence
from tallystick_protocol.evidence_file import unpack
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.part import Part
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED

NAMES = ("Aki", "Bea", "Cai", "Dov", "Eli", "Fay", "Gus", "Hal", "Ida", "Jon", "Kim", "Lou")
MEMBERS = tuple(f"Member {name} of Lindenhof" for name in NAMES)
MACHINES, SLOTS = 4, 3
SLOT_DAYS = 5
SUBJECTS = {name: Randomness(f"subject of {name}").bytes(16) for name in MEMBERS}
OFFICES = ("Coop", "Repairer", "Bank", "Fund")


def members_of(slot: int) -> tuple[str, ...]:
    return MEMBERS[slot * MACHINES : (slot + 1) * MACHINES]


def counts(name: str) -> int:
    """How many counts a member's wash takes: nobody pays what another pays."""
    return 3 + MEMBERS.index(name)


def fee(name: str) -> int:
    return counts(name) * 123_456_789


def town() -> str:
    rows = [
        'version = 1\n[community]\nid = "lindenhof"\nname = "Lindenhof eG"\nzone = "UTC"\nunit = "EUR"\n'
        'log = "log.example/lindenhof"\n'
    ]
    forms = {"Fund": "fund", "Coop": "organisation"}
    rows += [
        f'[[party]]\nname = "{n}"\nform = "{forms.get(n, "person")}"\nroles = ["owner"]\nkey = "hosted"\n'
        for n in OFFICES
    ]
    rows += [f'[[party]]\nname = "{name}"\nroles = ["user"]\nkey = "hosted"\n' for name in MEMBERS]
    machines = range(1, MACHINES + 1)
    rows += [f'[[asset]]\nid = "washer-{n}"\nname = "Washer {n}"\nkind = "washing-machine"\n' for n in machines]
    rows.append('[[site]]\nid = "cellar"\nname = "Cellar"\n')
    rows += [
        f'[[site.channel]]\nnumber = {n}\nmeter = "m-{n}"\nasset = "washer-{n}"\nquantity = "cycles"\nunit = "cycle"\n'
        'form = "event"\nprofile = "test"\n'
        for n in machines
    ]
    rows.append('[[contract]]\nfile = "slot-0.toml"\nstate = "live"\n')
    rows += [
        f'[[contract]]\nfile = "slot-{later}.toml"\nafter = "slot-{before}.toml"\nstate = "live"\n'
        for before, later in pairwise(range(SLOTS))
    ]
    return "".join(rows)


def contract(slot: int) -> str:
    begin = f"2026-11-{1 + SLOT_DAYS * slot:02d}" if slot else "2026-10-01"
    users = "".join(f'[[user]]\nname = "{name}"\n' for name in members_of(slot))
    assets = "".join(
        f'[[asset]]\nasset = "washer-{n}"\nquantity = "cycles"\nuser = "{name}"\n'
        for n, name in enumerate(members_of(slot), 1)
    )
    return (
        'version = 1\nname = "Washes"\ncommunity = "lindenhof"\nunit = "EUR"\nzone = "UTC"\nstate = "live"\n'
        f'collector = "Coop"\neffective_from = {begin}\n{PARTIES}{users}{assets}'
        '[tariff]\nform = "event"\nper = "cycle"\n[[tariff.band]]\nname = "all"\nprice = 0.123456789\n'
        '[[split]]\nto = "Repairer"\nfixed = 0.15\n[[split]]\nto = "Bank"\nportion = "40 %"\ncap = 2.50\n'
        f'cap_per = "lifetime"\ncounter = "loan"\n[[split]]\nto = {{ "Coop" = 4, "Fund" = 1 }}\n{NOTICE}'
    )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Every member washed once in its slot; November is closed."""
    books = open_books(town=town(), contracts={f"slot-{slot}.toml": contract(slot) for slot in range(SLOTS)})
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    ids = {str(row["name"]): bytes(row["id"]) for row in books.rows(schema.party)}  # type: ignore[call-overload]
    made = World(books, gateway, ids=ids)
    totals = [0] * MACHINES
    for machine in range(1, MACHINES + 1):  # from here on every count is known to be somebody's
        aborted = event(1, T0 + HOUR, EventCode.USE_ABORTED, use=1, total=0)
        books.seal_and_send(gateway, [money(machine, events=[aborted])], T0 + HOUR)
    for slot in range(SLOTS):
        for machine, name in enumerate(members_of(slot)):
            begin = T0 + (1 + SLOT_DAYS * slot) * DAY + machine * HOUR
            was, totals[machine] = totals[machine], totals[machine] + counts(name)
            use, more = slot + 2, {"subject": SUBJECTS[name], "total": was}
            started = event(2 * use - 2, begin, EventCode.USE_STARTED, use=use, **more)
            ended = event(2 * use - 1, begin + HOUR, EventCode.USE_ENDED, use=use, total=totals[machine])
            parts = [personal(machine + 1, [started]), money(machine + 1, events=[ended])]
            books.seal_and_send(gateway, parts, begin + HOUR)
    (closed,) = made.close(NOVEMBER, AFTER_NOVEMBER)
    assert closed.uses == len(MEMBERS) + MACHINES
    yield made
    books.database.close()


def strings_in(data: bytes) -> Iterator[bytes]:
    """Every byte and text string of a file, also of what is encoded inside a byte string, at any depth."""
    left: list[object] = [data]
    while left:
        match left.pop():
            case bytes() as found:
                yield found
                try:
                    left.append(cbor2.loads(found))
                except (cbor2.CBORDecodeError, ValueError, TypeError):
                    continue
            case str() as text:
                yield text.encode()
            case cbor2.CBORTag(value=value):
                left.append(value)
            case dict() as table:
                left += [*table.keys(), *table.values()]
            case list() | tuple() as row:
                left += row


def secrets_of(world: World, name: str) -> dict[str, bytes]:
    """What gives a member away: id, name, pseudonym, tag, and what stands in its own lines."""

    def read(conn: Connection) -> tuple[bytes, dict[str, bytes]]:
        tags, leaves = schema.payer_tag, schema.settlement_leaf
        tag = conn.execute(select(tags.c.tag).where(tags.c.payer == world.ids[name])).scalar_one()
        mine = conn.execute(select(leaves.c.tree, leaves.c.data).where(leaves.c.party == world.ids[name])).all()
        return bytes(tag), {f"{TreeKey(tree).name} {number}": bytes(data) for number, (tree, data) in enumerate(mine)}

    tag, leaves = world.books.database.read_now(read)
    found = {"id": world.ids[name], "name": name.encode(), "subject": SUBJECTS[name], "tag": tag}
    found |= {"fee": cbor.encode(fee(name)), "charge": cbor.encode(-fee(name))}
    return found | leaves


def told(world: World, data: bytes, about: str) -> list[str]:
    """What of a member's secrets stands in a file, as raw bytes or inside something that is encoded."""
    raw = unpack(data)
    strings = set(strings_in(raw))
    return [
        key
        for key, secret in secrets_of(world, about).items()
        if secret in raw or any(secret in one for one in strings)
    ]


@pytest.mark.parametrize("name", [MEMBERS[0], MEMBERS[5], MEMBERS[11]])
def test_a_members_file_is_valid_and_holds_nothing_of_the_other_eleven(world: World, name: str) -> None:
    made = world.evidence(name, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert made.scope is Scope.OWN
    assert world.verify(made, name).verdict == VALID_SPLIT_AS_COMMITTED
    assert {other: found for other in MEMBERS if other != name and (found := told(world, made.data, other))} == {}
    assert set(told(world, made.data, name)) >= {"id", "subject", "tag", "fee", "charge"}
    assert "name" not in told(world, made.data, name)  # not even one's own: a name is for people, not for proofs


@pytest.mark.parametrize("name", ["Coop", "Bank"])
def test_owner_and_lender_see_every_wash_and_no_member(world: World, name: str) -> None:
    made = world.evidence(name, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert made.scope is Scope.CONTRACT
    assert world.verify(made, name).verdict == VALID
    found = {key for other in MEMBERS for key in told(world, made.data, other)}
    # The line of a use: number, time, programme, price and the period's tag. No charge, for that is in the statement.
    assert {key.split()[0] for key in found} == {"tag", "fee", "USES"}
    evidence = Evidence.decode(unpack(made.data))
    assert not [piece for piece in evidence.pieces if piece.key == USER_KEY]
    parts = [Part.decode(piece.data) for piece in evidence.pieces if piece.key == 11]
    assert len(parts) == len(MEMBERS) + MACHINES
    assert not [one for part in parts for one in part.events if one.subject is not None or part.segments]


def test_commitments_link_no_two_places(world: World) -> None:
    """Salts are new for every asset of every version."""
    rows = world.books.rows(schema.contract_version)
    users = [asset.user for row in rows for asset in Contract.decode(row["payload"]).assets]  # type: ignore[arg-type]
    assert len(set(users)) == len(users) == MACHINES * SLOTS
    assert len({row["salt"] for row in world.books.rows(schema.user_opening)}) == len(users)


def test_a_member_cannot_open_what_is_not_its_own(world: World) -> None:
    """The host tells one member's file that the machine was another's: the commitment says otherwise."""
    mine, theirs = MEMBERS[0], MEMBERS[1]
    made = world.evidence(mine, NOVEMBER, now_ms=AFTER_NOVEMBER)
    found = Evidence.decode(unpack(made.data))
    (place,) = [piece for piece in found.pieces if piece.key == USER_KEY]
    contract = Contract.decode(cose.parse(found.objects[place.object].envelope).payload)
    assert cose.parse(found.objects[place.object].envelope).content_type is ContentType.CONTRACT
    assert contract.assets[place.index].asset == "washer-1"
    assert place.data == cbor.encode(PartyId(world.ids[mine]))
    assert world.ids[theirs] not in unpack(made.data)


def test_erasing_a_member_forgets_its_place_and_bills_nobody_for_it() -> None:
    books = open_books(town=town(), contracts={f"slot-{slot}.toml": contract(slot) for slot in range(SLOTS)})
    gone = next(row["id"] for row in books.rows(schema.party) if row["name"] == MEMBERS[0])
    erased = books.database.write_now(erase_payer, books.community, gone, T0)
    assert erased.openings == 1
    assert len(books.rows(schema.user_opening)) == len(MEMBERS) - 1
    assert len(books.rows(schema.user_acceptance)) == len(MEMBERS) - 1
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    begin = T0 + DAY
    started = event(1, begin, EventCode.USE_STARTED, use=1, total=0)
    ended = event(2, begin + HOUR, EventCode.USE_ENDED, use=1, total=1)
    books.seal_and_send(gateway, [personal(1, [started]), money(1, events=[ended])], begin + HOUR)
    (left,) = books.rows(schema.exception)
    assert (left["reason"], left["from_total"], left["to_total"]) == ("no-payer", 0, 1)
    assert books.rows(schema.use) == []
    assert books.audit() == []
    books.database.close()
