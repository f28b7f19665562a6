"""The file that a payment provider gets: CSV with a line per party and payment, or JSON with the same.

It reads nothing but the run, so that the same run gives the same bytes for ever, and it names no payer.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum

from tallystick_cloud.http.amounts import harmless
from tallystick_cloud.money import decimal

from .store import StoredPayment, StoredRun

VERSION = 1
COLUMNS = (
    "version",
    "run",
    "execution_day",
    "payment",
    "contract",
    "payer_reference",
    "payer_account",
    "charge",
    "party",
    "party_account",
    "amount",
    "currency",
)


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


def write(run: StoredRun, payments: Sequence[StoredPayment], form: Format) -> bytes:
    """The file's bytes, in UTF-8; amounts are decimals with two places."""
    return _csv(run, payments) if form is Format.CSV else _json(run, payments)


def _csv(run: StoredRun, payments: Iterable[StoredPayment]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in payments:
        for part in one.parts:
            writer.writerow(
                (
                    VERSION,
                    run.number,
                    run.execution_day,
                    one.name,
                    harmless(one.contract),
                    one.reference,
                    harmless(one.payer_account),
                    decimal(one.cents),
                    harmless(part.name),
                    harmless(part.provider_account),
                    decimal(part.cents),
                    run.unit,
                )
            )
    return out.getvalue().encode()


def _json(run: StoredRun, payments: Sequence[StoredPayment]) -> bytes:
    said = {
        "version": VERSION,
        "run": run.number,
        "id": run.id.hex(),
        "collector": run.collector_name,
        "execution_day": run.execution_day,
        "currency": run.unit,
        "total": decimal(sum(one.cents for one in payments)),
        "payments": [
            {
                "payment": one.name,
                "contract": one.contract,
                "payer_reference": one.reference,
                "payer_account": one.payer_account,
                "charge": decimal(one.cents),
                "split": [
                    {"party": part.name, "party_account": part.provider_account, "amount": decimal(part.cents)}
                    for part in one.parts
                ],
            }
            for one in payments
        ],
    }
    return json.dumps(said, indent=1, ensure_ascii=False).encode() + b"\n"
