"""Two closed months and an open one of real signed uploads, with payouts in every stage, for tests of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from support import postgres
from support.books import DAY, ENERGY, HOUR, NOTICE, T0, TOWN, WASHES
from support.payouts import IBANS
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.bank.intake import take
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.runs.model import Proposal
from tallystick_sim.bank import SimBank

LOW = NOTICE.replace("[terms]", "[terms]\npayout_threshold = 0.10")
NOW = T0 + 64 * DAY
"""4 January: November and December are closed."""
WASHES_NOW = T0 + 62 * DAY


def town() -> str:
    """The books' town with bank accounts and the offices that pages need."""
    found = TOWN.replace(
        'id = "washer"\nname = "Washer"', 'id = "washer"\nname = "Washing machine left"\nsite = "cellar"'
    )
    for name, iban in IBANS.items():
        if name != "Fund":
            found = found.replace(f'name = "{name}"\n', f'name = "{name}"\niban = "{iban}"\n', 1)
    people = (
        '[[party]]\nname = "Maria"\nroles = ["community_manager", "installer"]\nkey = "hosted"\n'
        '[[party]]\nname = "Ada"\nroles = ["auditor", "city_operator"]\n'
        '[[party]]\nname = "Newcomer"\nroles = ["servicer"]\n'
    )
    return found.replace("[[asset]]", people + "[[asset]]", 1)


def open_town(url: str = "sqlite://", washes: str = WASHES) -> World:
    """That town with a contract for washes and one for energy, and nothing used yet."""
    return open_world(
        url,
        town=town(),
        contracts={"washes.toml": washes.replace(NOTICE, LOW), "energy.toml": ENERGY.replace(NOTICE, LOW)},
    )


BOTH = ("sqlite", "postgresql")


def on_both(request: pytest.FixtureRequest, opened: Callable[[str], World]) -> Iterator[World]:
    """The body of a fixture whose parameters are `BOTH`: what `opened` makes of a new database of that kind."""
    if request.param == "sqlite":
        yield opened("sqlite://")
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        made = opened(url)
        yield made
        made.books.database.close()


def open_money(url: str = "sqlite://") -> World:
    """Everything; the clock of its pages stands at NOW."""
    contracts = {
        "washes.toml": WASHES.replace(NOTICE, LOW),
        "energy.toml": ENERGY.replace(NOTICE, LOW).replace("minimum = 5.00", "minimum = 20.00"),
    }
    world = open_world(url, town=town(), contracts=contracts)
    for day in range(6):
        world.wash(T0 + day * DAY + 9 * HOUR, "60" if day % 2 else "30")
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(40)])
    world.meter([(T0 + 30 * DAY + step * HOUR, 40_000 + step * 500) for step in range(-2, 3)])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    pay(world, "november", date(2026, 12, 3), T0 + 31 * DAY, is_paid=True)
    for day in range(30, 33):
        world.wash(T0 + day * DAY + 11 * HOUR, "60")
    world.meter([(T0 + 61 * DAY + step * HOUR, 60_000 + step * 500) for step in range(-2, 1)])
    world.close(DECEMBER, AFTER_DECEMBER)
    pay(world, "december", date(2027, 1, 5), T0 + 62 * DAY, is_paid=False)
    for step in range(4):
        world.wash(WASHES_NOW + step * 4 * HOUR, "30" if step % 2 else "60")
    world.sign(NOW)
    tell_from_the_bank(world)
    codes = (("meter-reset", Severity.CRITICAL), ("gap", Severity.WARNING), ("quarantine-fell", Severity.WARNING))
    for code, severity in codes:
        said = Alarm(code, severity, f"washer: told by a test ({code}).", f"{code}:test", gid=world.gateway.gid)
        world.books.database.write_now(raise_alarm, world.community, said, NOW - HOUR)
    return world


def tell_from_the_bank(world: World) -> None:
    """A statement: November's payouts executed, a payment that nobody can tell, the bank's own fee."""
    database = world.books.database
    bank = SimBank(IBANS["Coop"], 812_340)
    bank.execute(database.write_now(payouts.bank_file, world.community, 1, NOW), date(2026, 12, 3))
    bank.receive(1_250, date(2026, 12, 4), "F. Conti", "FR7630006000011234567890189", remittance="washing november")
    bank.receive(-290, date(2026, 12, 31), "Bank of Aurora", "FR7630006000011234567890189", remittance="account fee")
    database.write_now(take, world.community, bank.statement(date(2026, 12, 31)), NOW)


def pay(world: World, key: str, day: date, now_ms: int, *, is_paid: bool) -> None:
    """One run from the proposal to the bank, and if wanted to the payee."""
    database, coop, maria = world.books.database, world.ids["Coop"], world.ids["Maria"]
    run = database.write_now(payouts.propose, world.community, Proposal(key, coop, coop, day), now_ms)
    number = run.stored.number
    database.write_now(payouts.approve, world.community, number, maria, now_ms + HOUR)
    database.write_now(payouts.bank_file, world.community, number, now_ms + 2 * HOUR)
    database.write_now(payouts.mark_sent, world.community, number, coop, now_ms + 3 * HOUR)
    if is_paid:
        database.write_now(payouts.confirm, world.community, number, Outcome.PAID, now_ms + DAY)
