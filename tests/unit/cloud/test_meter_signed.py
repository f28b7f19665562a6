"""Sessions that a meter signed, from the charge point's record to the evidence file: level 3 when the signature and the
values bear out what is billed, else the gateway's level with the reason, and never another bill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from support.books import HOUR, T0
from support.charging import START, Wallbox, town, world_of
from support.ocmf import KEY, record
from support.protocol_samples import p256
from support.settled import AFTER_NOVEMBER, NOVEMBER, World
from tallystick_cloud import schema
from tallystick_cloud.errors import BadInput
from tallystick_protocol.codes import EvidenceLevel, Scope
from tallystick_protocol.evidence_file import unpack
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED


@pytest.fixture
def world() -> Iterator[World]:
    made = world_of(town())
    yield made
    made.books.database.close()


def uses(world: World) -> list[tuple[int, int, int]]:
    rows = [row for row in world.books.rows(schema.use) if row["asset"] == "wallbox"]
    return sorted((row["from_total"], row["to_total"], row["level"]) for row in rows)  # type: ignore[misc]


def reasons(world: World) -> list[tuple[object, object]]:
    return [(row["reason"], row["detail"]) for row in world.books.rows(schema.exception)]


def test_a_signed_session_is_billed_once_at_level_three(world: World) -> None:
    box = Wallbox(world)
    box.charge("62500.2031", "62507.2031")
    box.charge("62507.2031", "62509.5", hours=3)
    assert uses(world) == [(62_500_203_100, 62_507_203_100, 3), (62_507_203_100, 62_509_500_000, 3)]
    fees = sorted(int(row["fee"]) for row in world.books.rows(schema.use_rating))  # type: ignore[call-overload]
    assert fees == [918_760_000, 2_800_000_000]  # 2.2969 and 7 kWh at EUR 0.40
    assert reasons(world) == []
    assert world.books.audit() == []


def test_another_meters_key_leaves_the_level_and_says_why() -> None:
    world = world_of(town(p256("another meter").spki.hex()))
    Wallbox(world).charge("10.0", "11.0")
    assert uses(world) == [(10_000_000, 11_000_000, 1)]
    ((reason, detail),) = reasons(world)
    assert reason == "meter-signature"
    assert "use 1" in str(detail)
    assert "does not verify under the meter's key" in str(detail)


def test_a_record_bent_on_its_way_is_not_the_one_the_gateway_hashed(world: World) -> None:
    Wallbox(world).charge("10.0", "11.0", bend=lambda data: data.replace(b'"RV":11.0', b'"RV":91.0'))
    assert uses(world) == [(10_000_000, 11_000_000, 1)]


def test_a_use_that_is_billed_differently_than_the_meter_signed_stays_at_the_gateways_level(world: World) -> None:
    """A gateway that adds to what the meter signed: billed as it signed, at its level, the difference named."""
    parts = Wallbox(world).parts(record("10.0", "11.0"), START + timedelta(hours=2))
    cheated = [
        replace(part, events=tuple(replace(e, total=12_000_000) if e.samples_hash else e for e in part.events))
        for part in parts
    ]
    world.books.seal_and_send(world.gateway, cheated, T0 + 2 * HOUR)
    assert uses(world) == [(10_000_000, 12_000_000, 1)]
    ((reason, detail),) = reasons(world)
    assert reason == "meter-signature"
    assert "says 10000000 to 11000000, billed was 10000000 to 12000000" in str(detail)


def test_without_a_registered_key_nothing_is_claimed() -> None:
    world = world_of(town().replace(f'meter_key = "{KEY.spki.hex()}"\n', ""))
    Wallbox(world).charge("10.0", "11.0")
    assert uses(world) == [(10_000_000, 11_000_000, 1)]
    assert reasons(world) == []


@pytest.mark.parametrize("key", ["zz", "3059", ""])
def test_a_key_that_is_none_is_refused_by_field(key: str) -> None:
    with pytest.raises(BadInput, match="meter_key"):
        world_of(town(key))


def test_the_payers_evidence_holds_the_record_and_the_verifier_checks_it(world: World) -> None:
    box = Wallbox(world)
    for n in range(3):
        box.charge(f"{10 + n}.0", f"{11 + n}.0", hours=24 * n + 1)
    world.wash(T0 + HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    own = world.evidence("Anna", NOVEMBER, now_ms=AFTER_NOVEMBER)
    report = world.verify(own, "Anna")
    assert report.verdict == VALID_SPLIT_AS_COMMITTED
    assert next(c for c in report.checks if c.name == "meters").figures["meter_signed"] == 3
    assert own.scope is Scope.OWN
    others = world.evidence("Coop", NOVEMBER, now_ms=AFTER_NOVEMBER)
    report = world.verify(others, "Coop")
    assert report.verdict == VALID
    assert next(c for c in report.checks if c.name == "meters").figures["meter_signed"] == 0
    assert b"OCMF|" not in unpack(others.data), "a party to the split sees no record of a user"


def test_the_verifier_finds_a_level_that_the_record_does_not_bear_out(world: World, monkeypatch) -> None:
    """A host that writes level 3 beside a record of another meter."""
    bad = world_of(town(p256("another meter").spki.hex()))
    monkeypatch.setattr("tallystick_cloud.ingest.signed.check_record", lambda *_: None)
    Wallbox(bad).charge("10.0", "11.0", hours=1)
    monkeypatch.undo()
    assert [level for _, _, level in uses(bad)] == [int(EvidenceLevel.METER_SIGNED)]
    bad.close(NOVEMBER, AFTER_NOVEMBER)
    verdict = bad.verify(bad.evidence("Anna", NOVEMBER, now_ms=AFTER_NOVEMBER), "Anna").verdict
    assert "claims its meter's signature, and the record does not bear it out" in verdict
    bad.books.database.close()
