"""Evidence files made by the server, verified by the verifier; what is in them and what is not."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from support.books import DAY, HOUR, T0, TOWN, WASHES, open_books
from support.settled import (
    AFTER_DECEMBER,
    AFTER_NOVEMBER,
    DECEMBER,
    NOVEMBER,
    World,
    open_world,
    two_months,
)
from support.uploads import SimGateway, event, money, personal, segment
from tallystick_cloud import schema
from tallystick_cloud.evidence.errors import NoEvidence
from tallystick_cloud.evidence.model import Wanted
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.evidence.service import evidence
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.erase import Erased, erase_payer
from tallystick_cloud.settlement.model import TreeKey
from tallystick_protocol import cbor
from tallystick_protocol.codes import EventCode, Scope, Sensitivity
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_file import unpack
from tallystick_protocol.ids import PartyId
from tallystick_protocol.part import Part
from tallystick_protocol.policy import Policy
from tallystick_protocol.verify import ERASED, VALID, VALID_SPLIT_AS_COMMITTED

LENDER, OWNER, USER, NEIGHBOUR = "Bank", "Coop", "Anna", "Ben"


@pytest.fixture
def world() -> Iterator[World]:
    made = two_months()
    yield made
    made.books.database.close()


@pytest.mark.parametrize("at_ms", [NOVEMBER, DECEMBER])
@pytest.mark.parametrize(
    ("name", "scope", "verdict"),
    [
        (LENDER, Scope.CONTRACT, VALID),
        (OWNER, Scope.CONTRACT, VALID),
        ("Repairer", Scope.CONTRACT, VALID),
        (USER, Scope.OWN, VALID_SPLIT_AS_COMMITTED),
        (NEIGHBOUR, Scope.OWN, VALID_SPLIT_AS_COMMITTED),
    ],
)
def test_every_party_gets_a_valid_file(world: World, name: str, scope: Scope, verdict: str, at_ms: int) -> None:
    made = world.evidence(name, at_ms)
    assert made.scope is scope
    assert world.verify(made, name).verdict == verdict


def test_a_file_is_of_no_use_to_another_party(world: World) -> None:
    made = world.evidence(LENDER, NOVEMBER)
    assert "another party" in world.verify(made, OWNER).verdict


def test_one_contract_alone(world: World) -> None:
    whole = world.evidence(LENDER, DECEMBER)
    chain = world.close(DECEMBER, AFTER_DECEMBER)[0].settlement.chain
    made = world.evidence(LENDER, DECEMBER, chain=chain)
    assert len(made.contracts) == 1
    assert len(made.data) < len(whole.data)
    assert world.verify(made, LENDER).verdict == VALID


def test_a_third_month_begins_from_the_second(world: World) -> None:
    later = 31 * DAY
    world.wash(T0 + 62 * DAY)
    world.close(DECEMBER + later, AFTER_DECEMBER + later)
    second, third = (world.evidence(LENDER, DECEMBER + shift, now_ms=AFTER_DECEMBER + later) for shift in (0, later))
    assert world.verify(third, LENDER).verdict == VALID
    assert len(third.data) < len(second.data)
    for name in (USER, NEIGHBOUR):
        assert world.verify(world.evidence(name, DECEMBER + later, now_ms=AFTER_DECEMBER + later), name).ok


def test_nothing_settled_is_said_so() -> None:
    world = open_world()
    with pytest.raises(NoEvidence, match="nothing settled"):
        world.evidence(LENDER, NOVEMBER)
    world.wash(T0 + HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    wanted = Wanted(PartyId(world.ids[LENDER]), NOVEMBER)
    with pytest.raises(NoEvidence, match="checkpoint"):
        world.books.database.read_now(evidence, world.books.aggregator.of(world.community), wanted)
    with pytest.raises(NoEvidence):
        world.evidence(LENDER, DECEMBER)
    world.books.database.close()


def test_a_month_of_one_machine_fits_in_100_kb() -> None:
    """150 washes of a machine for the lender, paid per wash."""
    world = open_world()
    for number in range(150):
        world.wash(T0 + HOUR + number * 4 * HOUR + 100, "60" if number % 3 else "30")
    (closed,) = [one for one in world.close(NOVEMBER, AFTER_NOVEMBER) if one.contract == "Washes"]
    assert closed.uses == 150
    made = world.evidence(LENDER, NOVEMBER, chain=closed.settlement.chain, now_ms=AFTER_NOVEMBER)
    assert world.verify(made, LENDER).verdict == VALID
    assert len(made.data) < 100_000
    world.books.database.close()


# ------------------------------------------------------------ what a file does not say

APART = """\
[[party]]
name = "Coop"
role = "owner"
[[party]]
name = "Repairer"
role = "servicer"
[[party]]
name = "Bank"
role = "financier"
[[party]]
name = "Fund"
role = "fund"
"""
ME = '[[user]]\nname = "{}"\n'
SUBJECTS = {USER: bytes(range(100, 116)), NEIGHBOUR: bytes(range(200, 216))}


def neighbours() -> World:
    """Anna washes and Ben reads his flat's meter and washes at the same gateway, always in the same batches."""
    parties = WASHES[WASHES.index("[[party]]") : WASHES.index("[[asset]]")]
    mine = WASHES.replace(parties, APART + ME.format(USER))
    theirs = WASHES.replace(parties, APART + ME.format(NEIGHBOUR)).replace('"Washes"', '"Dryings"')
    theirs = theirs.replace('asset = "washer"', 'asset = "flat"').replace('user = "Anna"', 'user = "Ben"')
    theirs = theirs.replace("1.85", "7.654321").replace('quantity = "cycles"', 'quantity = "dryings"')
    town = TOWN.replace('quantity = "1-0:1.8.0"\nunit = "Wh"\nform = "interval"', CYCLES)
    books = open_books(town=town, contracts={"washes.toml": mine, "energy.toml": theirs})
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    world = World(books, gateway, ids=books.database.read_now(ids_by_name, books.community))
    for number in range(1, 6):
        begin = T0 + number * DAY
        anna = wash_of(2, number, begin, SUBJECTS[USER], 100 + number)
        ben = wash_of(1, number, begin + 1234, SUBJECTS[NEIGHBOUR], 70_000 + number)
        books.seal_and_send(gateway, [ben[0], anna[0], ben[1], anna[1]], begin + 2 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    return world


CYCLES = 'quantity = "dryings"\nunit = "cycle"\nform = "event"'


def wash_of(channel: int, number: int, begin: int, subject: bytes, total: int) -> list[Part]:
    started = event(number * 2 - 1, begin, EventCode.USE_STARTED, use=number, subject=subject)
    ended = event(number * 2, begin + HOUR, EventCode.USE_ENDED, use=number, total=total, programme="60")
    return [personal(channel, [started]), money(channel, events=[ended])]


def test_a_users_file_holds_nothing_of_another_person() -> None:
    world = neighbours()
    made = world.evidence(USER, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert world.verify(made, USER).verdict == VALID_SPLIT_AS_COMMITTED
    other = world.evidence(NEIGHBOUR, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert world.verify(other, NEIGHBOUR).ok
    strangers = [
        SUBJECTS[NEIGHBOUR],
        world.ids[NEIGHBOUR],
        NEIGHBOUR.encode(),
        cbor.encode(7_654_321_000),
        cbor.encode(T0 + DAY + 1234),
        cbor.encode(70_001),
        *leaves_of(world, NEIGHBOUR),
    ]
    for secret in strangers:
        assert secret not in unpack(made.data)
        assert secret in unpack(other.data) or secret == NEIGHBOUR.encode()
    assert SUBJECTS[USER] in unpack(made.data)
    world.books.database.close()


def leaves_of(world: World, name: str) -> list[bytes]:
    """A payer's own leaves and its statement, as bytes."""

    def read(conn: Connection) -> list[bytes]:
        table = schema.settlement_leaf
        rows = conn.execute(
            select(table.c.data)
            .where(table.c.party == world.ids[name])
            .where(table.c.tree.in_([int(TreeKey.USES), int(TreeKey.STATEMENTS)]))
            .where(table.c.ref.in_(select(schema.use.c.use_id)) | (table.c.tree == int(TreeKey.STATEMENTS)))
        )
        return [bytes(found) for found in rows.scalars()]

    return world.books.database.read_now(read)


def test_an_owners_file_holds_no_subject_no_personal_part_and_no_curve(world: World) -> None:
    for name in (LENDER, OWNER):
        made = world.evidence(name, DECEMBER)
        found = Evidence.decode(unpack(made.data))
        parts = [Part.decode(piece.data) for piece in found.pieces if piece.key == 11]
        assert parts
        assert all(part.sensitivity is Sensitivity.MONEY and not part.segments for part in parts)
        assert not [piece for piece in found.pieces if piece.key == 12 and piece.object >= len(found.objects)]
    world_with_subjects = neighbours()
    made = world_with_subjects.evidence(LENDER, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert world_with_subjects.verify(made, LENDER).verdict == VALID
    assert not any(subject in unpack(made.data) for subject in SUBJECTS.values())
    world_with_subjects.books.database.close()


# ------------------------------------------------------------ erasure


def test_erasing_one_person_leaves_every_other_proof_valid(world: World) -> None:
    before = {name: world.evidence(name, DECEMBER) for name in (LENDER, OWNER, USER)}
    gone = world.books.database.write_now(erase_payer, world.community, world.ids[NEIGHBOUR], AFTER_DECEMBER)
    assert gone == Erased(parts=gone.parts, statements=2, slices=gone.slices, openings=1)
    assert gone.parts > 0
    assert gone.slices > 0
    for name, made in before.items():
        after = world.evidence(name, DECEMBER)
        assert after.data == made.data
        assert world.verify(after, name).ok
    with pytest.raises(NoEvidence, match="erased"):
        world.evidence(NEIGHBOUR, DECEMBER)
    assert world.books.audit() == []


def test_a_leaf_that_is_gone_keeps_its_place_among_the_others(world: World) -> None:
    """Also when an order to erase reaches the settled lines: every other payer's file is as it was."""
    made = world.evidence(USER, DECEMBER)

    def drop(conn: Connection) -> None:
        table = schema.settlement_leaf
        conn.execute(update(table).where(table.c.party == world.ids[NEIGHBOUR]).values(salt=None, data=None))
        conn.execute(delete(schema.payer_tag).where(schema.payer_tag.c.payer == world.ids[NEIGHBOUR]))

    world.books.database.write_now(drop)
    assert world.evidence(USER, DECEMBER).data == made.data
    assert world.verify(made, USER).ok


def test_an_erased_money_part_is_named_as_erased(world: World) -> None:
    def drop(conn: Connection) -> None:
        part = schema.part
        first = conn.execute(
            select(part.c.batch, part.c.position).where(part.c.channel == 2, part.c.sensitivity == 0).limit(1)
        ).one()
        where = (part.c.batch == first.batch, part.c.position == first.position)
        conn.execute(update(part).where(*where).values(salt=None, data=None, standing="erased"))

    world.books.database.write_now(drop)
    assert world.verify(world.evidence(LENDER, NOVEMBER), LENDER).verdict == ERASED


def test_a_debit_that_the_bank_took_back_stands_in_a_valid_statement() -> None:
    """The payer's bank knows of both; the file says them, and adds up."""
    world = open_world()
    world.wash(T0 + DAY, "60")
    (use,) = world.books.rows(schema.use)

    def collect_and_take_back(conn: Connection) -> None:
        about = {"community": world.community, "entry": bytes(32), "party": world.ids[USER], "chain": use["chain"]}
        for number, nano in enumerate((10**9, -(10**9))):
            row = {"id": bytes([number]) * 32, "nano": nano, "booked_ms": T0 + 2 * DAY + number}
            conn.execute(insert(schema.bank_payment), {**about, **row})

    world.books.database.write_now(collect_and_take_back)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    made = world.evidence(USER, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert world.verify(made, USER).ok
    world.books.database.close()


def test_a_policy_names_the_contracts_that_its_party_pays_under(world: World) -> None:
    def policy(conn: Connection) -> Policy:
        return policy_of(conn, world.books.aggregator.of(world.community), PartyId(world.ids[USER]))

    found = world.books.database.read_now(policy)
    assert len(found.contracts) == 1  # the neighbour's is none of its business
    assert found.party_keys[0].party == world.ids[USER]
    assert found.witnesses_needed == 0


def test_readings_of_a_resting_meter_are_evidence_too() -> None:
    """A flat that uses nothing for days, then something: only slices with counts are settled, and they verify."""
    world = open_world()
    points = [(T0 + step * 15 * 60_000, 500 if step < 200 else 500 + (step - 200) * 40) for step in range(240)]
    part = money(1, [segment(1, points, serial="S1")])
    world.books.seal_and_send(world.gateway, [part], points[-1][0])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    made = world.evidence(NEIGHBOUR, NOVEMBER, now_ms=AFTER_NOVEMBER)
    assert world.verify(made, NEIGHBOUR).verdict == VALID_SPLIT_AS_COMMITTED
    world.books.database.close()
