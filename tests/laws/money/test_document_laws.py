"""Documents for any charges and taxes: lines and tax are the total, the rest is carried and never lost."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tallystick_cloud.invoices.model import MINIMUM, Charge, Sum, sums_of
from tallystick_cloud.invoices.tax import CENT_NANO, Category, Treatment, cents_of, contained, nets_of, toward_zero

CONTRACTS = ("Washes", "Energy", "Milk")
INVOICES = (None, "LH-2026-0001", "LH-2026-0002")
amounts = st.integers(-(10**13), 10**13)
small = st.integers(-3 * CENT_NANO, 3 * CENT_NANO)
rests = st.integers(-CENT_NANO + 1, CENT_NANO - 1)
rates = st.integers(1, 5_000).map(lambda rate: Treatment(Category.STANDARD, rate, ""))
treatments = st.fixed_dictionaries(
    {
        name: rates | st.sampled_from(["a", "b"]).map(lambda why: Treatment(Category.EXEMPT, 0, why))
        for name in CONTRACTS
    }
)


@st.composite
def charges(draw: st.DrawFn) -> list[Charge]:
    made = []
    for _ in range(draw(st.integers(0, 8))):
        form = draw(st.sampled_from(["event", "interval", MINIMUM]))
        price = draw(st.none() | st.integers(0, 10**10))
        quantity = Fraction(draw(st.integers(0, 1000)), draw(st.sampled_from([1, 3, 1000])))
        words = (
            draw(st.sampled_from(CONTRACTS)),
            draw(st.sampled_from(["", "a", "b"])),
            form,
            draw(st.none() | st.just("60")),
        )
        made.append(Charge(*words, quantity, "kWh", price, draw(amounts | small), draw(st.sampled_from(INVOICES))))
    return made


@given(rests, st.lists(amounts | small, max_size=20))
def test_cents_and_rest_are_what_there_was(carried: int, nanos: list[int]) -> None:
    cents, rest = cents_of(carried, nanos)
    whole = carried + sum(nanos)
    assert sum(cents) * CENT_NANO + rest == whole
    assert sum(cents) == toward_zero(whole, CENT_NANO)
    assert abs(rest) < CENT_NANO
    assert rest * whole >= 0  # floored toward zero: the rest has the sign of what there was
    for exact, rounded in zip(nanos, cents, strict=True):
        assert abs(rounded * CENT_NANO - exact) < 2 * CENT_NANO


@given(st.lists(st.integers(-(10**9), 10**9), max_size=20), st.integers(0, 5_000))
def test_net_lines_and_the_tax_of_their_sum_are_the_gross(gross: list[int], rate: int) -> None:
    nets, tax = nets_of(gross, rate), contained(sum(gross), rate)
    assert sum(nets) + tax == sum(gross)
    exact = Fraction(sum(gross) * rate, 10_000 + rate)
    assert abs(tax) <= abs(exact) < abs(tax) + 1
    off = abs(tax - Fraction(sum(nets) * rate, 10_000))
    assert off <= Fraction(3, 2)  # EN 16931's BR-CO-17 computes it from the net: never a cent and a half apart


@given(rests, charges(), treatments)
def test_all_documents_and_the_rest_are_the_charges(
    carried: int, some: list[Charge], taxes: dict[str, Treatment]
) -> None:
    made, rest = sums_of(carried, some, taxes)
    assert sum(one.cents for one in made) * CENT_NANO + rest == carried + sum(one.nano for one in some)
    assert abs(rest) < CENT_NANO
    for one in made:
        check(one)
    assert sums_of(carried, list(reversed(some)), taxes) == (made, rest)  # in whatever order they are read


def check(one: Sum) -> None:
    total = abs(one.cents)
    assert total > 0
    assert sum(line.gross for line in one.lines) == total
    assert sum(line.net for line in one.lines) == sum(tax.net for tax in one.taxes)
    assert sum(tax.net + tax.tax for tax in one.taxes) == total
    for tax in one.taxes:
        mine = [line for line in one.lines if line.rate == tax.treatment.rate]
        if tax.treatment.rate and sum(other.treatment.rate == tax.treatment.rate for other in one.taxes) == 1:
            assert sum(line.net for line in mine) == tax.net


@given(charges(), treatments)
def test_what_lowers_an_issued_document_is_a_credit_note_that_cites_it_alone(
    some: list[Charge], taxes: dict[str, Treatment]
) -> None:
    made, _ = sums_of(0, some, taxes)
    for number in INVOICES[1:]:
        nano = sum(one.nano for one in some if one.cites == number)
        credits = [one for one in made if one.is_credit_of_one and one.cites == (number,)]
        if nano <= -2 * CENT_NANO:
            assert credits
            assert {line.cites for line in credits[0].lines} == {number}
    assert sum(1 for one in made if not one.is_credit_of_one) <= 1


def test_many_small_uses_lose_nothing_over_a_year() -> None:
    """0.0034 a use: most months are below a cent, and the year is exact."""
    carried, cents = 0, 0
    for month in range(12):
        use = Charge("Washes", "a", "event", None, Fraction(1), "cycle", 3_400_000, 3_400_000)
        made, carried = sums_of(carried, [use] * (month % 3), {"Washes": Treatment(Category.STANDARD, 1900, "")})
        cents += sum(one.cents for one in made)
    assert cents * CENT_NANO + carried == 12 * 3_400_000
