"""Sessions in OCMF records: exact readings, the meter's signature first, every crooked record named."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from support.ocmf import KEY, SERIAL, record
from support.protocol_samples import p256
from support.vectors import outside
from tallystick_protocol.codes import TimeQuality
from tallystick_protocol.errors import BadSignature, BadValue, ProtocolError, UnknownKey
from tallystick_protocol.ocmf_session import check_record, counts_of, read_session

MWH = ("Wh", -3)


def test_a_session_is_read_exactly() -> None:
    session = read_session(record("62500.2031", "62507.5"))
    assert (session.serial, session.register) == (SERIAL, "1-b:1.8.0")
    assert session.begin.wh == Fraction(625002031, 10)
    assert counts_of(session.end.wh, *MWH) == 62_507_500_000
    assert session.begin.quality is TimeQuality.S
    assert session.end.t_ms - session.begin.t_ms == 3_600_000


def test_what_the_meter_signed_and_was_billed_is_level_three() -> None:
    check_record(record("0.2596", "0.2597"), KEY.spki, SERIAL, MWH, (259_600, 259_700))


@pytest.mark.parametrize(
    ("key", "serial", "totals", "error", "words"),
    [
        (p256("another").spki, SERIAL, (259_600, 259_700), BadSignature, "does not verify"),
        (KEY.spki, "8", (259_600, 259_700), BadValue, "the channel's meter is 8"),
        (KEY.spki, SERIAL, (259_600, 259_800), BadValue, "says 259600 to 259700, billed was 259600 to 259800"),
        (KEY.spki, SERIAL, (259_500, 259_700), BadValue, "billed was 259500"),
        (KEY.spki, SERIAL, (359_600, 359_700), BadValue, "billed was 359600 to 359700"),
        (b"nonsense", SERIAL, (259_600, 259_700), UnknownKey, "not a DER"),
    ],
)
def test_what_does_not_fit_is_named(key, serial, totals, error, words) -> None:
    with pytest.raises(error, match=words):
        check_record(record("0.2596", "0.2597"), key, serial, MWH, totals)


def test_one_digit_changed_after_signing_is_refused() -> None:
    bent = record("0.2596", "0.2597").replace(b"0.2597", b"0.9597")
    with pytest.raises(BadSignature):
        check_record(bent, KEY.spki, SERIAL, MWH, (259_600, 959_700))


def first(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["RD"][0].update(changes)


def last(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["RD"][1].update(changes)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda body: body.pop("RD"), "ocmf.RD"),
        (lambda body: body.update(RD=body["RD"][:1]), "ocmf.RD"),
        (lambda body: body.update(RD=[1, 2]), "ocmf.RD"),
        (first(TX="C"), "ocmf.RD.TX"),
        (last(TX="X"), "ocmf.RD.TX"),
        (last(RI="1-b:2.8.0"), "ocmf.RD.RI"),
        (last(RU="Wh"), "ocmf.RD.RI"),
        (first(RU="Ah"), "ocmf.RD.RI"),
        (last(ST="D"), "ocmf.RD.ST"),
        (last(EF="tE"), "ocmf.RD.EF"),
        (last(RV=0.1), "ocmf.RD.RV"),
        (last(RV=-1), "ocmf.RD.RV"),
        (last(RV=True), "ocmf.RD.RV"),
        (last(RV="1e9"), "ocmf.RD.RV"),
        (last(RV="9" * 40), "ocmf.RD.RV"),
        (last(RV=None), "ocmf.RD.RV"),
        (last(TM="2026-11-29T12:00:00+0100"), "ocmf.RD.TM"),
        (last(TM="2026-02-30T12:00:00,000+0100 S"), "ocmf.RD.TM"),
        (last(TM="1969-02-01T12:00:00,000+0100 U"), "ocmf.RD.TM"),
        (last(TM="2026-11-28T12:00:00,000+0100 S"), "ocmf.RD.TM"),
    ],
)
def test_crooked_records_are_refused_by_field(change: Callable[[dict[str, Any]], None], field: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_session(record("0.2596", "0.2597", change))
    assert caught.value.field == field


def test_a_reading_may_leave_out_what_is_as_before() -> None:
    def shorter(body: dict[str, Any]) -> None:
        for name in ("RI", "RU", "ST"):
            del body["RD"][1][name]

    assert read_session(record("0.2596", "0.2597", shorter)).end.wh == Fraction("259.7")


def test_a_name_that_stands_twice_is_refused() -> None:
    payload = json.dumps({"RD": []})[:-1] + ', "RD": []}'
    with pytest.raises(ProtocolError, match="each name once"):
        read_session(b"OCMF|" + payload.encode() + b'|{"SD":""}')


def test_more_digits_than_the_channel_counts_are_refused() -> None:
    with pytest.raises(BadValue, match="more digits"):
        counts_of(Fraction("0.0001"), *MWH)
    with pytest.raises(BadValue, match="the channel counts cycle"):
        counts_of(Fraction(1), "cycle", 0)


@pytest.mark.parametrize(("name", "wh"), [("test_ocmf_keba_kcp30.xml", (Fraction("259.6"), Fraction("259.7")))])
def test_a_real_charging_station_is_read(name: str, wh: tuple[Fraction, Fraction]) -> None:
    text = (outside("ocmf") / name).read_text(encoding="utf-8-sig")
    data = text.split("<signedData")[1].split(">", 1)[1].split("</signedData>")[0].strip().encode()
    session = read_session(data)
    assert (session.begin.wh, session.end.wh) == wh
    assert session.serial == "17619300"
