"""The report: what is amiss is said, one sentence each, and nothing is amiss in a good run."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tallystick_sim.aggregator import Aggregator, AggregatorError
from tallystick_sim.compare import Booked, compare, expected
from tallystick_sim.receipts import Held
from tallystick_sim.report import Report, write_report
from tallystick_sim.settle import Settled
from tallystick_sim.snapshot import SUMMARY, Snapshot, parse_summary, take_snapshot
from tallystick_sim.trouble import Fault, Kind

IDLE = {"washer-4": 0, "washer-5": 0, "washer-6": 0}
NO_WASH: dict[str, dict[str, int]] = {name: {} for name in IDLE}
TRUTH = {
    "watt_hours": {"washer-1": 200, "washer-2": 0, "washer-3": 7, **IDLE, "house": 500},
    "milliwatt_hours": {"dryer": 1_234},
    "cycles": {"washer-1": {"30": 1}, "washer-2": {}, "washer-3": {}, **NO_WASH},
    "millilitres": 9_000,
}
CHARGE = {"asset": "washer-1", "programme": "30", "fee_nano": "30", "shares_nano": {"Anna": "20", "Fund": "10"}}
FAULTS = [Fault(kind, 1, "what", "well", True) for kind in Kind]
TOWN: Any = SimpleNamespace(url="http://localhost:1")


def summary() -> dict[str, Any]:
    """As the aggregator answers, of a town in which everything is right."""
    return {
        "gateways": [
            {"gid": "aa", "site": "cellar", "batches": 3, "readings": 5},
            {"gid": "bb", "site": "attic", "batches": 2, "readings": 4},
        ],
        "readings": 9,
        "batches": 5,
        "receipts": 5,
        "uses": 1,
        "fees_nano": "30",
        "imbalance_nano": "0",
        "splits_nano": {"Anna": "20", "Fund": "10"},
        "ledger": [],
        "first_charge": CHARGE,
        "latest_charges": [CHARGE],
        "log": {"size": 7, "root": "00"},
    }


def settled(snapshot: Snapshot | None = None, held: Held | None = None, *, hurried: bool = False) -> Settled:
    ledger = {e.key: Booked(e.truth, 0, 0, e.programmes) for e in expected(TRUTH)}
    snapshot = snapshot or parse_summary(summary())
    return Settled(snapshot, compare(TRUTH, ledger), held or Held(5, 5), hurried)


def test_a_good_run_has_nothing_amiss_and_says_all_figures() -> None:
    report = Report.of(TOWN, settled(), FAULTS, is_timed=True)
    assert report.amiss == ()
    assert report.content["truth"] == report.content["ledger"]
    assert report.content["splits_nano"] == {"Anna": "20", "Fund": "10"}
    assert report.content["meters"] == 9
    json.dumps(report.content)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"imbalance_nano": "3"}, "do not balance: 3"),
        ({"fees_nano": "31"}, "splits sum to 30 nano, fees to 31"),
        ({"gateways": summary()["gateways"][:1]}, "1 gateways enrolled"),
        ({"uses": 0}, "nothing was used"),
    ],
)
def test_books_that_are_not_right_are_amiss(change: dict[str, Any], word: str) -> None:
    report = Report.of(TOWN, settled(parse_summary(summary() | change)), FAULTS, is_timed=True)
    assert len(report.amiss) == 1
    assert word in report.amiss[0]


def test_receipts_faults_and_haste_are_amiss() -> None:
    missing = Report.of(TOWN, settled(held=Held(5, 4)), FAULTS[1:], is_timed=True)
    assert [s.split(":")[0] for s in missing.amiss] == ["5 batches, but gateways hold 4 receipts", Kind.LATE_ANSWER]
    unwell = [replace(FAULTS[0], recovered=False, ended="nobody noticed"), *FAULTS[1:]]
    assert Report.of(TOWN, settled(), unwell, is_timed=True).amiss == ("late-modbus-answer: nobody noticed",)
    assert len(Report.of(TOWN, settled(hurried=True), FAULTS, is_timed=True).amiss) == 1


def test_a_summary_that_lacks_something_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(self: Aggregator, path: str) -> dict[str, Any]:
        assert path == SUMMARY
        return {key: value for key, value in summary().items() if key != "splits_nano"}

    monkeypatch.setattr(Aggregator, "json", answer)
    with pytest.raises(AggregatorError, match="splits_nano"):
        asyncio.run(take_snapshot(Aggregator("http://localhost:1")))


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_report(path, Report.of(TOWN, settled(), FAULTS, is_timed=True))
    assert json.loads(path.read_text())["mismatches"] == 0
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]
