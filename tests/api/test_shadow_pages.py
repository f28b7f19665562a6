"""A contract beside its old bill without JavaScript: months, differences and their pieces, and the step to live."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from support.settled import World
from support.shadow import OLD_BILL, Staff, open_shadow, staff_of
from support.shadow import chain_named as chain
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role
from tallystick_cloud.shadow.model import Piece, beside


@pytest.fixture
def world() -> World:
    return open_shadow()


@pytest.fixture
async def person(world: World) -> AsyncIterator[Staff]:
    async with staff_of(world, without_key="Maria") as sign_in:
        yield sign_in


def cells(page: str) -> dict[str, list[list[str]]]:
    """month -> rows as text."""
    found = {}
    for month, table in re.findall(
        r'aria-labelledby="h-(20\d\d-\d\d)"><thead>.*?<tbody>(.*?)</tbody>', page, re.DOTALL
    ):
        lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("</tr>")[:-1]]
        found[month] = [[re.sub("<.*?>", "", cell).strip() for cell in line] for line in lines]
    return found


async def test_months_stand_beside_the_old_bill_with_what_they_are_made_of(world: World, person: Staff) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    washes = chain(world, "Washes").chain.hex()
    assert f"/contracts/{washes}/shadow" in await maria.page(f"/contracts/{washes}")
    path = f"/contracts/{washes}/shadow"
    alone = cells(await maria.page(path))
    assert alone["2026-12"] == [["Anna", "2 uses of 60: 3.70", "", "3.70", ""], ["Together", "", "", "3.70", ""]]
    before = world.books.dump()
    by_month = b"user,month,amount\n"
    wrongs = (b"", b"name,amount\n", by_month + b"Anna,2026-13,1\n", by_month + b"Nobody,2026-11,1\n", b"\xff")
    for wrong in (*wrongs, b"user,amount\nAnna,1\n"):
        assert (await maria.hand_in(path, {"file": wrong}))[0] == 422, wrong
    assert world.books.dump() == before
    status, text = await maria.hand_in(path, {"file": OLD_BILL.encode()})
    assert status == 200
    beside_it = cells(text.decode())
    assert beside_it["2026-11"] == [
        ["Anna", "2 uses of 60: 3.70; 1 use of 30: 1.20", "10.00", "4.90", "\u22125.10"],
        ["Ben", "nothing was metered", "2.50", "0.00", "\u22122.50"],
        ["Together", "", "12.50", "4.90", "\u22127.60"],
    ]
    assert beside_it["2026-12"] == alone["2026-12"], "no old bill of that month was given"
    assert '16.60</span></span> <span class="says">less than the old bill, together' in text.decode()
    status, text = await maria.hand_in(path, {"file": b"user,amount\nAnna,1\n"}, period="2026-12")
    assert cells(text.decode())["2026-12"][0] == ["Anna", "2 uses of 60: 3.70", "1.00", "3.70", "+2.70"]
    looks = [row for row in world.books.rows(schema.access) if row["resource"] == "uses by payer and month"]
    assert {row["purpose"] for row in looks} == {"to compare with the old bill"}
    assert len(looks) == 3, "each look leaves a row, and what was refused showed nothing"


async def test_energy_is_told_in_the_unit_of_its_price(world: World, person: Staff) -> None:
    path = f"/contracts/{chain(world, 'Energy').chain.hex()}/shadow"
    page = await person("Ada", Role.AUDITOR).page(path)
    assert re.fullmatch(r"27\.3 kWh: \d+\.\d+", cells(page)["2026-11"][0][1])
    assert "/live" not in page


async def test_a_party_proposes_it_as_live_and_it_waits_for_the_others(world: World, person: Staff) -> None:
    washes = chain(world, "Washes").chain.hex()
    path, live = f"/contracts/{washes}/shadow", f"/contracts/{washes}/live"
    maria, coop = person("Maria", Role.COMMUNITY_MANAGER), person("Coop", Role.COMMUNITY_MANAGER)
    ada = person("Ada", Role.AUDITOR)
    page = await maria.page(path)
    assert "You are no party of this contract" in page
    assert live not in page
    before = world.books.dump()
    assert (await maria.send(live, sure="yes"))[0] == 403
    assert (await coop.send(live))[0] == 422, "not without the box"
    assert (await ada.send(live, sure="yes"))[0] == 403
    assert world.books.dump() == before
    assert "from 1 Jan 2027 on, when its next period begins" in await coop.page(path)
    assert (await coop.send(live, sure="yes"))[0] == 303
    proposed = chain(world, "Washes").versions[0]
    assert (proposed.contract.state.value, proposed.in_force_ms) == ("live", None)
    page = await coop.page(path)
    assert "Proposed as live, and waits for: Repairer, Bank, Fund" in page
    assert live not in page, "it is proposed once"


async def test_who_pays_is_for_the_office_alone(world: World, person: Staff) -> None:
    path = f"/contracts/{chain(world, 'Washes').chain.hex()}/shadow"
    for name, role in (("Anna", Role.USER), ("Bank", Role.FINANCIER)):
        assert (await person(name, role).get(path))[0] == 403
    assert (await person("Maria", Role.COMMUNITY_MANAGER).get(f"/contracts/{'0' * 64}/shadow"))[0] == 404


def test_a_month_is_the_sum_of_its_lines_whoever_is_on_either_side() -> None:
    pieces = [
        Piece(b"a", "event", "60", 2, 2, 300),
        Piece(b"a", "minimum", None, 1, 0, 50),
        Piece(b"b", "event", None, 1, 1, 7),
    ]
    (month,) = beside({"2026-11": pieces}, [b"a", b"d"], {"2026-11": {b"a": 400, b"c": 90}})
    assert [(one.payer, one.fee, one.old, one.difference) for one in month.lines] == [
        (b"c", 0, 90, -90), (b"a", 350, 400, -50), (b"b", 7, None, 7), (b"d", 0, None, 0),
    ]  # fmt: skip
    assert (month.fee, month.old, month.difference) == (357, 490, -133)
    assert sum(one.difference for one in month.lines) == month.difference
