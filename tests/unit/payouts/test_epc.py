"""What banks take: characters, names, accounts, amounts, ids."""

import pytest
from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts.errors import BankFileError


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Köfler & Söhne", "Koefler + Soehne"),
        ("José Ñandú-Pérez", "Jose Nandu-Perez"),
        ("Łukasz  Żółć", "Lukasz Zolc"),
        ("Straße 1 “A”", "Strasse 1 'A'"),
        ("Escola de Música L·L", "Escola de Musica L.L"),
        ("plain", "plain"),
    ],
)
def test_names_are_carried_in_letters_that_banks_take(name: str, wanted: str) -> None:
    assert epc.bank_name("name", name) == wanted


@pytest.mark.parametrize("name", ["Мария", "李小龍", "a\nb", "a<b", "100 €"])
def test_a_letter_that_no_bank_carries_is_refused_by_name(name: str) -> None:
    with pytest.raises(BankFileError, match=r"payee, name: .*Latin letters") as caught:
        epc.bank_name("payee, name", name)
    assert repr(name) in str(caught.value)


def test_a_name_is_refused_and_never_cut_when_it_is_too_long() -> None:
    assert len(epc.bank_name("n", "x" * 70)) == 70
    with pytest.raises(BankFileError, match="71 characters"):
        epc.bank_name("n", "x" * 71)
    with pytest.raises(BankFileError, match="71 characters"):
        epc.bank_name("n", "ß" + "x" * 69)
    with pytest.raises(BankFileError, match="empty"):
        epc.bank_name("n", "  ")


@pytest.mark.parametrize(
    "iban",
    ["DE89 3704 0044 0532 0130 00", "NO9386011117947", "MT84MALT011000012345MTLCAST001S", "gb29nwbk60161331926819"],
)
def test_good_accounts_pass_without_spaces(iban: str) -> None:
    assert epc.bank_iban("iban", iban) == iban.replace(" ", "").upper()


@pytest.mark.parametrize(
    ("iban", "reason"),
    [
        ("DE88370400440532013000", "check digits"),
        ("DE8937040044053201300", "check digits"),
        ("US64SVBKUS6S3300958879", "not of a country"),
        ("", "not an IBAN"),
        ("DE89!70400440532013000", "not an IBAN"),
    ],
)
def test_a_bad_account_is_refused_with_its_reason(iban: str, reason: str) -> None:
    with pytest.raises(BankFileError, match=reason):
        epc.bank_iban("iban", iban)


def test_an_account_of_another_length_than_its_country_has_is_refused() -> None:
    short = next(f"DE{check:02d}3704004405320130" for check in range(2, 99) if _mod97(f"DE{check:02d}3704004405320130"))
    with pytest.raises(BankFileError, match="20 characters, an IBAN of DE has 22"):
        epc.bank_iban("iban", short)


def _mod97(iban: str) -> bool:
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


@pytest.mark.parametrize(
    ("cents", "text"), [(1, "0.01"), (100, "1.00"), (123456, "1234.56"), (99_999_999_999, "999999999.99")]
)
def test_amounts_have_two_decimals(cents: int, text: str) -> None:
    assert epc.bank_amount("amount", cents) == text


@pytest.mark.parametrize("cents", [0, -1, 100_000_000_000])
def test_an_amount_outside_what_banks_take_is_refused(cents: int) -> None:
    with pytest.raises(BankFileError, match=r"0\.01 \.\. 999999999\.99"):
        epc.bank_amount("amount", cents)


@pytest.mark.parametrize("text", ["", "x" * 36, "/a", "a/", "a//b", "ä"])
def test_an_id_that_banks_change_is_refused(text: str) -> None:
    with pytest.raises(BankFileError):
        epc.bank_id("id", text)


def test_a_bic_has_eight_or_eleven_characters() -> None:
    assert epc.bank_bic("bic", "COBADEFFXXX") == "COBADEFFXXX"
    with pytest.raises(BankFileError, match="leave it out"):
        epc.bank_bic("bic", "COBADEF")
