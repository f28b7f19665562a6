"""References of payments: every one holds its check digits, a letter or digit taken for another one is noticed."""

from hypothesis import assume, given
from hypothesis import strategies as st
from tallystick_cloud.bank.reference import in_groups, is_reference, reference_of, references_in

ids = st.binary(min_size=16, max_size=16)


@given(ids, ids)
def test_a_reference_holds_its_check_digits_and_is_found_in_what_people_type(collector: bytes, payer: bytes) -> None:
    made = reference_of("lindenhof", collector, payer)
    assert is_reference(made)
    assert references_in(f"Washing, {in_groups(made).lower()} thank you") == [made]
    assert references_in(f"{made}/november") == [made]


@given(ids, ids, st.integers(2, 19), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_wrong_sign_is_noticed(collector: bytes, payer: bytes, at: int, sign: str) -> None:
    made = reference_of("lindenhof", collector, payer)
    assume(
        sign.isdigit() == made[at].isdigit()
    )  # a letter counts as two digits: for one of the other kind not promised
    wrong = made[:at] + sign + made[at + 1 :]
    assert wrong == made or not is_reference(wrong)


def test_the_standard_gives_this_example() -> None:
    assert is_reference("RF18539007547034")  # ISO 11649's own
    assert not is_reference("RF19539007547034")
