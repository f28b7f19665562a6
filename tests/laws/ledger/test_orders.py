"""Law 7 in CI: a short cut of `python -m support.orders 2000`, with a fresh seed that is printed."""

import time

from support import orders

ORDERS = 40


def test_any_order_of_arrival_gives_one_use_table_and_one_balance_sheet() -> None:
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")
    done, uses = orders.check(ORDERS, seed)
    assert done == ORDERS + 1
    assert uses >= 200
