"""Law 7 in CI: a short cut of `python -m support.orders 2000`, with a seed that is printed."""

import pytest
from support import orders
from support.seeds import drawn_number

ORDERS = 40


@pytest.mark.drawn
def test_any_order_of_arrival_gives_one_use_table_and_one_balance_sheet() -> None:
    seed = drawn_number("orders")
    done, uses = orders.check(ORDERS, seed)
    assert done == ORDERS + 1
    assert uses >= 200
