"""`tallystick contract list | switch`: from shadow to live, a pause and the end, each agreed before it holds."""

import json
import shutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support.books import DAY, ENERGY, HOUR, TOWN, WASHES
from support.uploads import Randomness, SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.cli import main
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.ingest.service import ingest

NEXT_YEAR = datetime.now(UTC).year + 1
FEBRUARY = int(datetime(NEXT_YEAR, 2, 1, tzinfo=UTC).timestamp()) * 1000
NOW = int(datetime.now(UTC).timestamp()) * 1000
OTHERS = ("Repairer", "Bank", "Fund")


class Hall:
    """A community whose washes are in shadow."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self._capsys = folder / "data", capsys
        self.claim = tomllib.loads((folder / "claims" / "cellar.toml").read_text())["claim"]

    def tally(self, *words: str) -> Any:
        self._capsys.readouterr()
        code = main(["contract", *words, "--json", "--data", str(self.data)])
        printed = self._capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    def refused(self, *words: str) -> str:
        self._capsys.readouterr()
        assert main(["contract", *words, "--data", str(self.data)]) == 1
        return self._capsys.readouterr().err

    def said(self, *words: str) -> str:
        self._capsys.readouterr()
        assert main(["contract", *words, "--data", str(self.data)]) == 0
        return self._capsys.readouterr().out

    def state(self) -> tuple[str, Any, Any]:
        row = next(one for one in self.tally("list") if one["name"] == "Washes")
        return row["state"], row["next"], row["proposed"]

    def kinds(self, starts: list[int]) -> list[str]:
        """What one wash at each moment is booked as."""
        home = Home(self.data)
        database = home.database()
        aggregator = home.aggregator(database, Randomness("switch"))
        gateway = SimGateway("cellar")
        database.write_now(enrol, aggregator, gateway.enrol_request(self.claim), NOW, datetime.now(UTC))
        for at, start in enumerate(starts):
            parts = wash(2, 1 + 3 * at, 1 + at, 1 + at, start, start + HOUR)
            database.write_now(ingest, aggregator, gateway.gid, gateway.seal(parts), start + HOUR)
        rows = database.read_now(lambda conn: list(conn.execute(select(schema.use).order_by(schema.use.c.number))))
        database.close()
        return [row.kind for row in rows]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, copied for each test."""
    folder = tmp_path_factory.mktemp("hall")
    (folder / "town.toml").write_text(TOWN.replace('file = "washes.toml"\nstate = "live"', 'file = "washes.toml"'))
    (folder / "washes.toml").write_text(WASHES)
    (folder / "energy.toml").write_text(ENERGY)
    data, claims = str(folder / "data"), str(folder / "claims")
    assert main(["init", "--data", data]) == 0
    town = ["community", "import", str(folder / "town.toml"), "--claims", claims]
    assert main([*town, "--server", "https://localhost:1", "--data", data]) == 0
    return folder


@pytest.fixture
def hall(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Hall:
    return Hall(Path(shutil.copytree(built, tmp_path / "hall")), capsys)


def agree(hall: Hall, proposal: Any) -> None:
    for name in OTHERS:
        main(["contract", "approve", proposal["hash"], "--party", name, "--data", str(hall.data)])


def test_from_shadow_to_live_to_paused_to_ended(hall: Hall) -> None:
    assert hall.state() == ("shadow", None, None)
    switch = ["switch", "Washes", "--party", "Coop", "--yes"]
    live = hall.tally(*switch, "live", "--from", f"{NEXT_YEAR}-02-01")
    assert (live["agreed"], live["missing"], live["from_ms"]) == (False, list(OTHERS), FEBRUARY)
    state, later, proposed = hall.state()
    assert (state, later, proposed["missing"], proposed["refused"]) == ("shadow", None, list(OTHERS), [])
    agree(hall, live)
    assert hall.state() == ("shadow", {"version": 2, "state": "live", "since": f"{NEXT_YEAR}-02-01"}, None)
    for state, day in (("paused", "10"), ("live", "20"), ("ended", "25")):
        agree(hall, hall.tally(*switch, state, "--from", f"{NEXT_YEAR}-02-{day}"))
    starts = [FEBRUARY + day * DAY - HOUR // 2 for day in (0, 1, 9)]
    starts += [FEBRUARY + 12 * DAY, FEBRUARY + 22 * DAY, FEBRUARY + 26 * DAY]
    assert hall.kinds(starts) == ["shadow", "live", "live", "live"]  # nothing while paused, nothing after the end


def test_it_begins_with_a_rating_period_unless_told_otherwise(hall: Hall) -> None:
    now = datetime.now(UTC)
    first = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    found = hall.tally("switch", "Washes", "live", "--party", "Coop", "--yes")
    assert found["from_ms"] == int(first.timestamp()) * 1000


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("Washing", "live"), "CONTRACT: 'Washing' is no contract here; there are: Energy ("),
        (("Washes", "shadow"), "state: of Washes is shadow already"),
        (("Washes", "live", "--from", "2026-01-01"), "--from: is 2026-01-01, which is past"),
        (("Washes", "live", "--from", "tomorrow"), "--from: is 'tomorrow'; write 2026-12-01"),
        (("Washes", "live", "--party", "Anna"), "do not include the one who signed"),
        (("Washes", "live", "--party", "Nobody"), "'Nobody' is not in lindenhof"),
    ],
)
def test_wrong_words_change_nothing(hall: Hall, words: tuple[str, ...], reason: str) -> None:
    before = hall.tally("list")
    party = () if "--party" in words else ("--party", "Coop")
    assert reason in hall.refused("switch", *words, *party, "--yes")
    assert hall.tally("list") == before


def test_nobody_is_there_to_say_yes(hall: Hall) -> None:
    assert "--yes: is missing" in hall.refused("switch", "Washes", "live", "--party", "Coop")
    assert hall.state() == ("shadow", None, None)


def test_a_person_reads_who_is_waited_for_and_what_is_next(hall: Hall) -> None:
    said = hall.said("switch", "Washes", "live", "--from", f"{NEXT_YEAR}-02-01", "--party", "Coop", "--yes")
    assert f"Washes, version 2: live for uses from {NEXT_YEAR}-02-01 on" in said
    assert "waits for: Repairer, Bank, Fund (rule: all)" in said
    assert "next: tallystick contract approve " in said
    listed = hall.said("list")
    assert "shadow   Washes, version 1 since 2026-" in listed
    assert f"proposed: version 2, live from {NEXT_YEAR}-02-01 on" in listed
    assert "waits for Repairer, Bank, Fund" in listed


def test_what_comes_is_listed_in_its_order_and_so_is_all_that_waits(hall: Hall) -> None:
    switch = ["switch", "Washes", "--party", "Coop", "--yes"]
    days = (("live", "01"), ("paused", "10"), ("live", "20"))
    proposals = [hall.tally(*switch, state, "--from", f"{NEXT_YEAR}-02-{day}") for state, day in days]
    listed = hall.said("list")
    assert all(f"proposed: version {number}, " in listed for number in (2, 3, 4)), listed
    for name in OTHERS:
        assert "live" in hall.said("approve", proposals[2]["hash"][:12], "--party", name) or name != OTHERS[-1]
    for name in OTHERS:
        hall.said("approve", proposals[0]["hash"][:6].upper(), "--party", name)
    listed = hall.said("list")
    assert f"; live from {NEXT_YEAR}-02-01 on; live from {NEXT_YEAR}-02-20 on" in listed
    assert "proposed: version 3, paused" in listed
    (row,) = [one for one in hall.tally("list") if one["name"] == "Washes"]
    assert [row["next"]["version"], *(one["version"] for one in row["then"])] == [2, 4]
    assert [row["proposed"]["version"], row["also_proposed"]] == [3, []]


def test_an_answer_stays_and_who_is_missing_is_named(hall: Hall) -> None:
    proposal = hall.tally("switch", "Washes", "live", "--party", "Coop", "--yes")["hash"]
    assert "not said yes: Repairer, Bank, Fund" in hall.said("approve", proposal, "--no", "--party", "Bank")
    before = hall.tally("list")
    reason = "approval.yes: is yes, and Bank said no before; an answer stays: propose the version anew"
    assert reason in hall.refused("approve", proposal, "--party", "Bank")
    assert "not said yes: Repairer, Bank, Fund" in hall.said("approve", proposal, "--no", "--party", "Bank")
    assert hall.tally("list") == before
    assert "hash: 'abc' begins no contract version here" in hall.refused("approve", "abc", "--party", "Bank")
