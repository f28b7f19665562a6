"""The firsts of a demo, told once each: enrolled, first reading, receipt and charge, and the wash that repays the loan.
It sees snapshots in order and tells sentences; it asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tallystick_sim.picture import euros
from tallystick_sim.snapshot import Charge, Snapshot

LENDER = "Elena Moser"
REPAIR_NANO, LENDER_PERCENT = 150_000_000, 40  # of a wash: the repairer's fixed part, and the lender's of the rest


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
        repaid = flip(snapshot.washes)
        self._once("repaid", repaid is not None, f"the loan is repaid in the middle of this wash: {_split(repaid)}")

    def _once(self, key: str, is_true: bool, sentence: str) -> None:
        if is_true and key not in self._told:
            self._told.add(key)
            self._tell(sentence)


def flip(washes: Sequence[Charge]) -> Charge | None:
    """The wash in which the lender's share is cut because its loan is repaid, when it is among them."""
    for wash in washes:
        whole = (wash.fee_nano - REPAIR_NANO) * LENDER_PERCENT // 100
        if 0 < wash.shares.get(LENDER, 0) < whole - 1:  # one nano may be the rounding
            return wash
    return None


def _split(charge: Charge | None) -> str:
    if charge is None:
        return ""
    what = charge.asset if charge.programme is None else f"{charge.asset}, programme {charge.programme}"
    shares = " + ".join(f"{party} {euros(nano)}" for party, nano in charge.shares.items() if nano)
    return f"{what}, {euros(charge.fee_nano)} = {shares}"
