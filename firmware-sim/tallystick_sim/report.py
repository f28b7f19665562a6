"""What a headless demo reports: figures, truth and ledger by channel, faults made, and what is amiss if anything is.
It states; the exit code is made from `amiss` and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tallystick_sim.aftermath import Aftermath
from tallystick_sim.plan import Gateway
from tallystick_sim.settle import Settled
from tallystick_sim.town import Town
from tallystick_sim.trouble import Fault, Kind

VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    """`content` is the JSON of the report; `amiss` one sentence per thing that is not as it must be."""

    content: dict[str, Any]
    amiss: tuple[str, ...]

    @classmethod
    def of(
        cls,
        town: Town,
        settled: Settled,
        faults: Sequence[Fault],
        is_timed: bool,
        aftermath: Aftermath | None = None,
    ) -> Report:
        """The report of a run. `is_timed`: it ran for given seconds, so every trouble must have come.

        `aftermath` None: the person left before the month was closed.
        """
        amiss = (*_amiss(settled, faults, is_timed), *(() if aftermath is None else aftermath.amiss))
        snapshot, figures = settled.snapshot, settled.snapshot.figures
        content = {
            "version": VERSION,
            "gateways": len(snapshot.gateways),
            "meters": len({line.meter for line in settled.lines}),
            "readings": figures.readings,
            "batches": settled.held.batches,
            "receipts": settled.held.receipts,
            "uses": figures.uses,
            "fees_nano": str(figures.fees_nano),
            "splits_nano": {party: str(nano) for party, nano in figures.splits_nano.items()},
            "imbalance_nano": str(snapshot.imbalance_nano),
            "truth": {line.name: line.truth for line in settled.lines},
            "ledger": {line.name: line.booked for line in settled.lines},
            "mismatches": len(settled.mismatches),
            "faults": [asdict(fault) for fault in faults],
            "log": {"size": snapshot.log_size, "root": snapshot.log_root},
            "urls": {"situation": f"{town.url}/situation", "openapi": f"{town.url}/v1/openapi.json"},
            **({} if aftermath is None else aftermath.content()),
            "amiss": list(amiss),
        }
        return cls(content, amiss)


def _amiss(settled: Settled, faults: Sequence[Fault], is_timed: bool) -> list[str]:
    snapshot, figures = settled.snapshot, settled.snapshot.figures
    found = settled.mismatches
    if settled.hurried and not found:
        found.append("left before truth and ledger were seen to stay equal")
    if snapshot.imbalance_nano:
        found.append(f"the books do not balance: {snapshot.imbalance_nano} nano")
    if sum(figures.splits_nano.values()) != figures.fees_nano:
        found.append(f"splits sum to {sum(figures.splits_nano.values())} nano, fees to {figures.fees_nano}")
    if len(snapshot.gateways) != len(Gateway):
        found.append(f"{len(snapshot.gateways)} gateways enrolled, {len(Gateway)} were started")
    if settled.held.receipts != settled.held.batches:
        found.append(f"{settled.held.batches} batches, but gateways hold {settled.held.receipts} receipts")
    if is_timed and not figures.uses:
        found.append("nothing was used")
    found += [f"{fault.kind.value}: {fault.ended}" for fault in faults if not fault.recovered]
    if is_timed:
        made = {fault.kind for fault in faults}
        found += [f"{kind.value}: was to be made and was not" for kind in Kind if kind not in made]
    return found


def write_report(path: Path, report: Report) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(report.content, indent=2, ensure_ascii=False) + "\n")
    draft.replace(path)
