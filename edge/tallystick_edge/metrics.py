"""The agent's figures as Prometheus text (exposition format 0.0.4): pure, from values handed in.
Labels are meter ids of the configuration and known fault reasons, so that their number has a limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tallystick_edge.vitals import Vitals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at this instant, beside what was counted. Ages are None before the first of its kind."""

    waiting_batches: int
    unsealed_items: int
    receipts: int
    receipt_age_s: int | None
    shed: int
    clock_trusted: bool
    resident_bytes: int


def render(vitals: Vitals, standing: Standing) -> str:
    """One scrape."""
    lines: list[str] = []
    lines += _family("up_seconds", "gauge", "since the agent started", [({}, vitals.up_s)])
    lines += _family("values_total", "counter", "register values read", [({}, vitals.values)])
    samples = [({"meter": meter}, count) for meter, count in sorted(vitals.samples.items())]
    lines += _family("samples_total", "counter", "polls that gave values", samples)
    faults = [({"meter": m, "reason": reason}, count) for (m, reason), count in sorted(vitals.faults.items())]
    lines += _family("faults_total", "counter", "polls that gave none", faults)
    lines += _family("waiting_batches", "gauge", "sealed, without a final receipt", [({}, standing.waiting_batches)])
    lines += _family("unsealed_items", "gauge", "durable or about to be, not sealed", [({}, standing.unsealed_items)])
    lines += _family("receipts_total", "counter", "receipts taken since the start", [({}, standing.receipts)])
    if standing.receipt_age_s is not None:
        help_text = "since the newest receipt of this run"
        lines += _family("receipt_age_seconds", "gauge", help_text, [({}, standing.receipt_age_s)])
    lines += _family("shed_items_total", "counter", "readings dropped for a full disk", [({}, standing.shed)])
    lines += _family("clock_trusted", "gauge", "1 when the clock was ever set", [({}, int(standing.clock_trusted))])
    lines += _family("resident_bytes", "gauge", "memory of the process", [({}, standing.resident_bytes)])
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, help_text: str, values: Iterable[tuple[Labels, int]]) -> list[str]:
    full = f"tallystick_edge_{name}"
    return [f"# HELP {full} {help_text}", f"# TYPE {full} {kind}", *(_line(full, *each) for each in values)]


def _line(name: str, labels: Labels, value: int) -> str:
    if not labels:
        return f"{name} {value}"
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
