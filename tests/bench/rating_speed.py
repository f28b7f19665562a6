"""How long rating and splitting one use takes, in microseconds of CPU: run it, it prints a table and checks nothing.

python tests/bench/rating_speed.py [uses]
"""

import sys
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.money import (
    BANK,
    CHAIN,
    ELENA,
    FUND,
    HADDAD,
    HOUR,
    KOFLER,
    T0,
    contract,
    cycles,
    energy,
    event,
    flat,
    interval,
    loan,
    price,
    ratio,
    rest,
)
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.rating import Usage, canonical, rate
from tallystick_protocol.money.split import Step
from tallystick_protocol.money.tariff import Band, Window


def contracts() -> dict[str, Contract]:
    """From the simplest to one with every part that an interval can have."""
    day = Band("day", (price("0.40", 50_000), price("0.31")), windows=(Window(31, 480, 1140),))
    night = Band("night", (price("0.20", 10_000), price("0.15")))
    five = rest((ELENA, 45), (KOFLER, 30), (BANK, 20), (FUND, 5))
    return {
        "flat price, one party": contract(energy(flat()), rest()),
        "flat price, portion and rest": contract(energy(flat()), Step(((FUND, 1),), ratio(1, 8)), rest()),
        "flat price, four weighted parties": contract(energy(flat()), five),
        "flat price, loan with cap": contract(energy(flat()), loan("40"), rest()),
        "time of use, loan with cap, five parties": contract(
            energy(Band("day", (price("0.31"),), windows=(Window(31, 480, 1200),)), flat("0.19", "night")),
            loan("1000000"),
            rest((ELENA, 45), (KOFLER, 30), (FUND, 20), (HADDAD, 5)),
        ),
        "the same, dithered: a third never comes out even": contract(
            energy(Band("day", (price("0.31"),), windows=(Window(31, 480, 1200),)), flat("0.19", "night")),
            loan("1000000", ratio(1, 3)),
            rest((ELENA, 45), (KOFLER, 30), (FUND, 20), (HADDAD, 5)),
        ),
        "tiers, bands, cap, loan, four parties": contract(
            energy(day, night, minimum=Exact.of(4), cap=Exact.of(500)), loan("40"), five
        ),
    }


def us_per_use(version: Contract, uses: list[Usage]) -> float:
    """CPU time per use of the fastest of five runs, in microseconds."""
    best = float("inf")
    for _ in range(5):
        begin = process_time()
        rate([version], CHAIN, uses, {})
        best = min(best, process_time() - begin)
    return best / len(uses) * 1e6


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    slices = [interval(n * 250, n * 250 + 250, T0 + n * HOUR // 4) for n in range(count)]
    for name, version in contracts().items():
        print(f"{us_per_use(version, slices):6.2f} us  {name}")
    washes = canonical([event(n, programme="cold") for n in range(count)])
    version = contract(
        cycles(Band("cold", (price("1.20"),), programmes=("cold",))), loan("40"), rest((ELENA, 4), (FUND, 1))
    )
    print(f"{us_per_use(version, washes):6.2f} us  a wash by programme, loan with cap, two parties")


if __name__ == "__main__":
    main()
