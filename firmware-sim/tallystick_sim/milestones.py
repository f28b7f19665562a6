"""The firsts of a demo, told once each: enrolled, first reading, first receipt, first charge and how it was split.
It sees snapshots in order and tells sentences; it asks nobody."""

from __future__ import annotations

from collections.abc import Callable

from tallystick_sim.picture import euros
from tallystick_sim.snapshot import Charge, Snapshot


class Milestones:
    """`tell` takes one sentence."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def see(self, snapshot: Snapshot) -> None:
        """Tell what is true for the first time."""
        for gateway in snapshot.gateways:
            self._once(f"enrolled {gateway.name}", True, f"gateway {gateway.name} enrolled with its one-time claim")
        figures = snapshot.figures
        self._once("reading", figures.readings > 0, f"first readings: {figures.readings} from the meters' registers")
        self._once("receipt", figures.receipts > 0, "first receipt: a gateway holds the aggregator's signature")
        self._once("charge", snapshot.first_charge is not None, f"first charge: {_split(snapshot.first_charge)}")
        self._once("wash", snapshot.first_wash is not None, f"first wash: {_split(snapshot.first_wash)}")

    def _once(self, key: str, is_true: bool, sentence: str) -> None:
        if is_true and key not in self._told:
            self._told.add(key)
            self._tell(sentence)


def _split(charge: Charge | None) -> str:
    if charge is None:
        return ""
    what = charge.asset if charge.programme is None else f"{charge.asset}, programme {charge.programme}"
    shares = " + ".join(f"{party} {euros(nano)}" for party, nano in charge.shares.items() if nano)
    return f"{what}, {euros(charge.fee_nano)} = {shares}"
