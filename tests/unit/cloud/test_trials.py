"""Test runs: what begins in one costs nobody anything, on both databases, and every file about it still verifies."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.books import DAY, ENERGY, HOUR, STEEP, T0, WASHES
from support.money_world import BOTH, on_both, open_town, town
from support.people import StillClock
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World
from tallystick_cloud import schema
from tallystick_cloud.cli import main
from tallystick_cloud.disputes.service import Said, decide, open_dispute
from tallystick_cloud.errors import BadInput, CloudError, Conflict, NotFound
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.trials import service, store
from tallystick_cloud.trials.model import MINUTE_MS, Trial
from tallystick_cloud.trials.watch import LATELY_MS, TrialWatch

BEGAN = T0 + 2 * DAY
RUN_MS = 120 * MINUTE_MS


def opened(url: str = "sqlite://", washes: str = STEEP) -> World:
    return open_town(url, washes)


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from on_both(request, opened)


def begin(
    world: World, now_ms: int = BEGAN, asset: str = "washer", minutes: int = 120, why: str = "new valve"
) -> Trial:
    said = asset, minutes, why, world.ids["Maria"], now_ms
    return world.books.database.write_now(service.start, world.community, *said)


def taken(world: World, now_ms: int, since_ms: int | None = None) -> int:
    return world.books.database.write_now(service.take_back, world.community, now_ms, since_ms)


def money(world: World) -> dict[tuple[str, str], int]:
    """(account, party) -> nano of every balance that is not 0."""
    names = {party: name for name, party in world.ids.items()}
    found: Counter[tuple[str, str]] = Counter()
    for row in world.books.rows(schema.balance):
        found[str(row["account"]), names[bytes(row["party"])]] += int(row["amount"])  # type: ignore[call-overload]
    return {line: nano for line, nano in found.items() if nano}


def test_what_begins_in_a_run_counts_as_if_it_had_never_been(world: World) -> None:
    plain = opened()
    for day in (0, 1, 3, 4):
        world.wash(T0 + day * DAY)
        plain.wash(T0 + day * DAY)
    run = begin(world, BEGAN)
    world.wash(BEGAN, now_ms=BEGAN + DAY)  # its first moment; the gateway was offline for a day
    world.wash(BEGAN + RUN_MS, now_ms=BEGAN + DAY + HOUR)  # it ends with the run: this one is paid for
    plain.wash(BEGAN + RUN_MS, now_ms=BEGAN + DAY + HOUR)
    assert money(world) != money(plain)
    assert taken(world, BEGAN + 2 * DAY) == 1
    assert taken(world, BEGAN + 2 * DAY) == 0
    assert money(world) == pytest.approx(money(plain), abs=4, rel=0), "but for a nano of each use, by its id"
    assert world.books.database.read_now(store.find, world.community, run.id) == run._replace(uses=1)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    assert world.books.database.read_now(audit) == []
    for name in ("Coop", "Bank", "Anna"):
        report = world.verify(world.evidence(name, NOVEMBER, now_ms=AFTER_NOVEMBER), name)
        assert report.ok, report.verdict


def test_a_close_takes_back_what_the_watch_did_not_see(world: World) -> None:
    begin(world, BEGAN)
    world.wash(BEGAN + HOUR, now_ms=BEGAN + 10 * DAY)
    assert taken(world, BEGAN + 10 * DAY, BEGAN + 10 * DAY - LATELY_MS) == 0
    world.wash(T0 + 20 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    fees = [row["fee"] for row in world.books.rows(schema.settled_use)]
    assert 0 in fees
    assert world.books.database.read_now(audit) == []


def test_one_that_comes_after_the_close_is_taken_back_with_the_next() -> None:
    world = opened()
    begin(world, BEGAN)
    world.wash(T0 + 20 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.uses, world.events = 1, 3
    world.wash(T0 + 31 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert world.books.database.read_now(audit) == []


async def test_the_server_takes_it_back_by_itself() -> None:
    world = opened()
    begin(world, BEGAN)
    world.wash(BEGAN)
    watch = TrialWatch(world.books.database, StillClock(BEGAN + 2 * HOUR))
    assert await watch.look_once() == 1
    assert await watch.look_once() == 0
    assert money(world) == {}
    world.wash(BEGAN + 3 * HOUR)
    assert await watch.look_once() == 0
    assert money(world)


def test_a_run_that_is_ended_early_is_over_from_then_on() -> None:
    world = opened()
    run = begin(world, BEGAN)
    write = world.books.database.write_now
    assert write(service.end, world.community, run.id, BEGAN + HOUR).to_ms == BEGAN + HOUR
    with pytest.raises(Conflict, match="is over already"):
        write(service.end, world.community, run.id, BEGAN + HOUR)
    with pytest.raises(NotFound, match="7 is none of lindenhof"):
        write(service.end, world.community, 7, BEGAN)
    world.wash(BEGAN + HOUR)
    assert taken(world, BEGAN + DAY) == 0


def test_a_disputed_use_is_left_to_who_decides() -> None:
    world = opened()
    begin(world, BEGAN)
    world.wash(BEGAN)
    (use,) = (bytes(row["use_id"]) for row in world.books.rows(schema.use))  # type: ignore[call-overload]
    write = world.books.database.write_now
    write(open_dispute, world.community, Said(use, world.ids["Anna"], "I was away"), BEGAN + DAY)
    assert taken(world, BEGAN + DAY) == 0
    said = Said(use, world.ids["Maria"], "it was a test")
    write(lambda conn: decide(conn, world.community, said, is_right=True, now_ms=BEGAN + DAY))
    assert taken(world, BEGAN + DAY) == 0
    assert money(world) == {}


def test_uses_of_a_shadow_cost_nobody_anything_and_stay() -> None:
    world = opened(washes=WASHES)
    assert begin(world).asset == "washer"
    world.meter([(BEGAN + step * HOUR, 1000 + step * 700) for step in range(4)])
    before = money(world)
    assert before, "the flat's energy, which no run of the washer touches"
    assert taken(world, BEGAN + DAY) == 0
    assert money(world) == before


@pytest.mark.parametrize(
    ("asset", "minutes", "why", "error", "says"),
    [
        ("boiler", 120, "x", NotFound, "asset: 'boiler' is none of lindenhof"),
        ("flat", 120, "x", Conflict, "is billed by what its meter counts"),
        ("washer", 4, "x", BadInput, "minutes: must be from 5 to 240"),
        ("washer", 241, "x", BadInput, "minutes: must be from 5 to 240"),
        ("washer", 120, " ", BadInput, "why: must have 1 to 200 characters"),
        ("washer", 120, "x" * 201, BadInput, "why: must have 1 to 200 characters"),
    ],
)
def test_what_cannot_be_a_run_is_refused(
    asset: str, minutes: int, why: str, error: type[CloudError], says: str
) -> None:
    world = opened()
    before = world.books.dump()
    with pytest.raises(error, match=says):
        begin(world, asset=asset, minutes=minutes, why=why)
    assert world.books.dump() == before


def test_one_run_at_a_time_and_few_a_day() -> None:
    world = opened()
    for number in range(service.RUNS_A_DAY_MAX):
        begin(world, BEGAN + number * RUN_MS)
        with pytest.raises(Conflict, match="is in a test run already"):
            begin(world, BEGAN + number * RUN_MS + MINUTE_MS)
    with pytest.raises(Conflict, match="had 3 test runs within a day"):
        begin(world, BEGAN + 3 * RUN_MS)
    begin(world, BEGAN + DAY)


def test_before_a_contract_is_in_force_there_is_nothing_to_take_back() -> None:
    world = opened()
    with pytest.raises(Conflict, match="has no live contract now"):
        begin(world, T0 - 60 * DAY)


def test_words_of_somebody_erased_are_gone() -> None:
    world = opened()
    begin(world)
    world.books.database.write_now(erase_payer, world.community, world.ids["Maria"], BEGAN + DAY)
    assert [row["why"] for row in world.books.rows(schema.trial)] == [""]


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "town.toml").write_text(town())
    for name, text in {"washes.toml": WASHES, "energy.toml": ENERGY}.items():
        (tmp_path / name).write_text(text)
    data = str(tmp_path / "data")
    assert main(["init", "--data", data]) == 0
    wanted = ["--claims", str(tmp_path / "claims"), "--server", "https://localhost:1", "--data", data]
    assert main(["community", "import", str(tmp_path / "town.toml"), *wanted]) == 0
    capsys.readouterr()

    def told(*words: str) -> str:
        assert main(["trial", *words, "--data", data]) == 0
        return capsys.readouterr().out

    assert told("list") == "there was none\n"
    assert "no use taken back; Maria: a new valve" in told("start", "washer", "--by", "Maria", "--why", "a new valve")
    assert main(["trial", "start", "washer", "--by", "Maria", "--why", "x", "--data", data]) == 1
    assert "asset: is in a test run already" in capsys.readouterr().err
    assert main(["trial", "start", "washer", "--by", "Anna", "--why", "x", "--data", data]) == 1
    assert "name a party with one of the roles: community_manager, installer" in capsys.readouterr().err
    (run,) = json.loads(told("end", "1", "--by", "Maria", "--json"))
    assert (run["asset"], run["is_on"], run["uses_taken_back"]) == ("washer", False, 0)
    assert main(["trial", "end", "1", "--by", "Maria", "--data", data]) == 1
    assert "run: is over already" in capsys.readouterr().err
