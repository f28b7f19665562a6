"""The firsts of a demo, told once each: enrolled, first reading, first receipt, first charge and how it was split.
It sees snapshots in order and tells sentences; it asks nobody."""

from __future__ import annotations

from collections.abc import Callable

from tallystick_sim.picture import euros
from tallystick_sim.snapshot import Snapshot


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
        self._once("charge", snapshot.first_charge is not None, _first_charge(snapshot))

    def _once(self, key: str, is_true: bool, sentence: str) -> None:
        if is_true and key not in self._told:
            self._told.add(key)
            self._tell(sentence)


def _first_charge(snapshot: Snapshot) -> str:
    charge = snapshot.first_charge
    if charge is None:
        return ""
    shares = " + ".join(f"{party} {euros(nano)}" for party, nano in charge.shares.items() if nano)
    return f"first charge: {charge.what}, {euros(charge.fee_nano)} = {shares}"
