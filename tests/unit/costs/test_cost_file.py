"""The file of a cost pool: what is read, and what is refused with line, field and reason."""

from datetime import date
from fractions import Fraction

import pytest
from support.shared_house import BILL, HEAD, flat_text, house, reading
from tallystick_protocol.money.cost import By
from tallystick_protocol.money.errors import ContractError
from tallystick_protocol.money.toml_cost import load_cost

GOOD = house()


def test_it_is_read_exactly() -> None:
    cost = load_cost(GOOD)
    assert [(part.portion, part.by, part.quantity) for part in cost.key] == [
        (Fraction(7, 10), By.USE, "heat"),
        (Fraction(3, 10), By.AREA, None),
    ]
    assert sum(flat.share for flat in cost.flats) == 1000
    assert cost.flats[2].area == Fraction(285, 4)
    assert cost.bill is not None
    assert (cost.bill.cents, cost.bill.last_day) == (123_456, date(2025, 12, 31))
    assert len(cost.readings) == 24
    assert load_cost(GOOD.replace(BILL, "")).bill is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1", "version = 2", r"line 1: version: must be 1"),
        ('decision_ref = "owners\' meeting of 2025-11-14, item 3"\n', "", r"line 2: cost.decision_ref: is missing"),
        ('decision_ref = "owners', 'decision_ref = ""#', r"line 6: cost.decision_ref"),
        ('portion = "30 %"', 'portion = "31 %"', r"portions that make 101/100, not 1"),
        ('portion = "30 %"', "portion = 0", r"line 12: cost.key\[1\].portion: must be more than 0"),
        ('by = "area"', 'by = "height"', r"line 13: cost.key\[1\].by: is 'height', must be one of use, people"),
        ('quantity = "heat"\n', "", r"quantity: is missing"),
        ('quantity = "heat"', 'quantity = "heat"\nif_none = "use"', r"if_none: must be another measure"),
        ("share = 90", "share = -1", r"share: is negative"),
        ("area = 62.5", "area = nan", r"area"),
        ("area = 62.5\n", "", r"flat-01 has no area"),
        ('[[reading]]\nasset = "flat-01"', f'{flat_text(0)}[[reading]]\nasset = "flat-01"', r"names an asset twice"),
        ("people = 1", "people = 0", r"people: must be 1 to 100"),
        ("people = 1", "peeple = 1", r"did you mean people"),
        ("amount = 1234.56", "amount = 1234.567", r"amount: has parts of a cent"),
        ("amount = 1234.56", "amount = 0", r"0.01 to 999999999.99"),
        ("amount = 1234.56", "amount = -5", r"amount: is negative"),
        ("amount = 1234.56", "amount = 1000000000.00", r"0.01 to 999999999.99"),
        ("amount = 1234.56", "amount = 1e300", r"amount"),
        ("last_day = 2025-12-31", "last_day = 2024-12-31", r"before the first day"),
        ("last_day = 2025-12-31", "last_day = 9999-12-31", r"at most 3660 days"),
        ("first_day = 2025-01-01", "first_day = 1925-01-01", r"at most 3660 days"),
        ("last_day = 2025-12-31", "last_day = 2025-12-31T00:00:00Z", r"has a time"),
        ('id = "heating 2025"\n', "", r"bill.id: is missing"),
        ('[[reading]]\nasset = "flat-01"', '[[reading]]\nasset = "flat-99"', r"is no \[\[flat\]\]"),
        (reading(3, "2026-01-01", 10_411), reading(3, "2025-01-01", 9), r"another one than before for flat-04"),
        (BILL, f"{BILL}x = 1\n", r"is not a field of this table"),
        (HEAD, HEAD.replace("[cost]", "[cost"), r"line 2: file: is not TOML"),
        (
            'name = "Anna"\npeople = 1\n',
            'name = "Anna"\npeople = 1\n[[flat.lives]]\nname = "Ben"\nfirst_day = 2025-05-01\n',
            r"flat-01: Anna and Ben both pay on 2025-05-01",
        ),
        (
            'name = "Anna"\npeople = 1\n',
            'name = "Anna"\nfirst_day = 2025-05-01\nlast_day = 2025-04-01\n',
            r"flat-01: Anna leaves on 2025-04-01, before 2025-05-01",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_line_field_and_reason(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ContractError, match=words):
        load_cost(GOOD.replace(old, new, 1))


def test_shares_must_make_a_thousand() -> None:
    by_share = GOOD.replace('by = "area"', 'by = "share"')
    load_cost(by_share)
    with pytest.raises(ContractError, match="shares that make 1001 per mille, not 1000"):
        load_cost(by_share.replace("share = 90", "share = 91", 1))
