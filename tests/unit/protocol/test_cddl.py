"""The CDDL file and the code say the same: one file, read by an independent parser, compared field by field."""

from enum import IntEnum
from importlib.resources import files

import pycddl
import pytest
from support.cddl import Entry, Schema
from tallystick_protocol import codes, records
from tallystick_protocol.batch import Batch
from tallystick_protocol.command import Command
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cost_settlement import CostPart, CostPiece, CostProof, CostSettlement
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import BatchSpan, Cover, Open
from tallystick_protocol.enrol import EnrolAnswer, EnrolRequest
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.hello import ChannelState, Hello, State
from tallystick_protocol.money.contract import Contract, Terms
from tallystick_protocol.money.pool import Point, Pool, PriceClass
from tallystick_protocol.money.split import Step
from tallystick_protocol.money.tariff import Band, Tariff
from tallystick_protocol.part import Event, Gauge, Part, Raw, Segment
from tallystick_protocol.pool_settlement import (
    Claim,
    IntervalProof,
    IntervalRecord,
    MeterPiece,
    OpenedPiece,
    PoolProof,
    PoolSettlement,
)
from tallystick_protocol.receipt import Receipt
from tallystick_protocol.salted_tree import Tree
from tallystick_protocol.schema import MapMessage, RowMessage
from tallystick_protocol.settled_use import Slice, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Statement
from tallystick_protocol.sum_tree import SumNode

TEXT = (files("tallystick_protocol") / "tallystick.cddl").read_text(encoding="utf-8")
SCHEMA = Schema(TEXT)
MAPS: list[tuple[str, type[MapMessage]]] = [
    ("Batch", Batch),
    ("Part", Part),
    ("Segment", Segment),
    ("Gauge", Gauge),
    ("Event", Event),
    ("Raw", Raw),
    ("Hello", Hello),
    ("State", State),
    ("Receipt", Receipt),
    ("Command", Command),
    ("EnrolRequest", EnrolRequest),
    ("EnrolAnswer", EnrolAnswer),
    ("Descriptor", records.Descriptor),
    ("KeyEvent", records.KeyEvent),
    ("Approval", records.Approval),
    ("Resolution", records.Resolution),
    ("Reversal", records.Reversal),
    ("Continuation", records.Continuation),
    ("Contract", Contract),
    ("Tariff", Tariff),
    ("Band", Band),
    ("Step", Step),
    ("Terms", Terms),
    ("Pool", Pool),
    ("PriceClass", PriceClass),
    ("Point", Point),
    ("Settlement", Settlement),
    ("PoolSettlement", PoolSettlement),
    ("PoolProof", PoolProof),
    ("CostSettlement", CostSettlement),
    ("CostProof", CostProof),
    ("Use", Use),
    ("Statement", Statement),
    ("Evidence", Evidence),
]
ROWS: list[tuple[str, type[RowMessage]]] = [
    ("ChannelState", ChannelState),
    ("KeyGrant", records.KeyGrant),
    ("Tree", Tree),
    ("SumNode", SumNode),
    ("MeterPiece", MeterPiece),
    ("CostPart", CostPart),
    ("CostPiece", CostPiece),
    ("IntervalRecord", IntervalRecord),
    ("IntervalProof", IntervalProof),
    ("OpenedPiece", OpenedPiece),
    ("Claim", Claim),
    ("Cover", Cover),
    ("BatchSpan", BatchSpan),
    ("Open", Open),
    ("Counter", Counter),
    ("Slice", Slice),
]
TABLES: list[tuple[str, type[IntEnum]]] = [
    ("time-quality", codes.TimeQuality),
    ("meter-state", codes.MeterState),
    ("event-code", codes.EventCode),
    ("reason", codes.Reason),
    ("sensitivity", codes.Sensitivity),
    ("raw-kind", codes.RawKind),
    ("receipt-status", codes.ReceiptStatus),
    ("log-type", codes.LogType),
    ("storage-class", codes.StorageClass),
    ("key-action", codes.KeyAction),
    ("resolution-action", codes.ResolutionAction),
    ("command-type", codes.CommandType),
    ("use-kind", codes.UseKind),
    ("evidence-level", codes.EvidenceLevel),
    ("line-kind", codes.LineKind),
    ("scope", codes.Scope),
]


def _keys(entries: list[Entry]) -> dict[int, bool]:
    """Literal keys of a map and whether each is optional."""
    return {e.key.value: e.least == 0 for e in entries if e.key is not None and e.key.kind == "literal"}


def test_the_file_is_read_by_an_independent_cddl_parser() -> None:
    pycddl.Schema("start = Upload\n" + TEXT)


@pytest.mark.parametrize(("rule", "message"), MAPS, ids=[rule for rule, _ in MAPS])
def test_map_has_the_keys_of_its_message(rule: str, message: type[MapMessage]) -> None:
    expected = {field.key: field.optional for field in message.FIELDS}
    if message.VERSION is not None:
        expected[0] = False
    assert _keys(SCHEMA.rules[rule].value) == expected


@pytest.mark.parametrize(("rule", "message"), MAPS, ids=[rule for rule, _ in MAPS])
def test_map_leaves_keys_from_64_on_open(rule: str, message: type[MapMessage]) -> None:
    assert any(e.key is not None and e.key.value == "extkey" for e in SCHEMA.rules[rule].value)


@pytest.mark.parametrize(("rule", "message"), ROWS, ids=[rule for rule, _ in ROWS])
def test_row_has_the_places_of_its_message(rule: str, message: type[RowMessage]) -> None:
    labels = [entry.key.value.replace("-", "_") for entry in SCHEMA.rules[rule].value if entry.key is not None]
    assert labels == [field.label for field in message.FIELDS]


@pytest.mark.parametrize(("rule", "table"), TABLES, ids=[rule for rule, _ in TABLES])
def test_table_has_the_numbers_of_its_enum(rule: str, table: type[IntEnum]) -> None:
    assert SCHEMA.table(rule) == {int(member) for member in table}


def test_every_enum_of_codes_has_a_table() -> None:
    enums = {value for value in vars(codes).values() if isinstance(value, type) and issubclass(value, IntEnum)}
    assert enums - {IntEnum} == {table for _, table in TABLES}


def test_content_types_are_those_of_the_code() -> None:
    assert SCHEMA.table("content-type") == {member.value for member in ContentType}


def test_there_is_one_cddl_file_only() -> None:
    package = files("tallystick_protocol")
    assert [item.name for item in package.iterdir() if item.name.endswith(".cddl")] == ["tallystick.cddl"]
