"""Contract files: the four examples are read exactly, and every mistake is refused with its line and the next step."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tallystick_protocol import ids
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import Contract, ContractState, GapRule, Mode, RatingPeriod, TimeRule
from tallystick_protocol.money.contract_toml import ContractError, load_contract
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.split import Scope
from tallystick_protocol.money.tariff import Form, Tier, Window
from tallystick_protocol.money.toml_lines import line_of, lines_of

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
NAMES = (
    "Elena Moser",
    "Kofler Repairs",
    "Bank of Neighbours",
    "House fund",
    "Family Conti",
    "Ahmed Haddad",
    "Casa Aurora",
    "Flat share, top floor",
)
PARTIES = {name: PartyId(ids.sha256(name.encode())[:16]) for name in NAMES}
MIDNIGHT = 1_793_487_600_000  # 2026-11-01T00:00+01:00


def text(name: str) -> str:
    return (EXAMPLES / f"{name}.toml").read_text()


def example(name: str) -> Contract:
    return load_contract(text(name), PARTIES)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_a_valid_contract_with_one_canonical_form(path: Path) -> None:
    version = load_contract(path.read_text(), PARTIES)
    assert Contract.decode(version.encode()) == version
    assert load_contract(path.read_text() + "\n# a comment changes nothing\n", PARTIES).encode() == version.encode()
    assert version.effective_from_ms == MIDNIGHT


def test_the_laundry_is_priced_by_programme_and_repays_its_lender_once() -> None:
    version = example("laundry")
    assert (version.state, version.mode, version.collector) == (
        ContractState.LIVE,
        Mode.PRINCIPAL,
        PARTIES["Elena Moser"],
    )
    assert version.tariff.form is Form.EVENT
    assert {band.name: band.programmes for band in version.tariff.bands}["hot"] == ("60", "90")
    repair, lender, last = version.split
    assert (repair.fixed, repair.per) == (Exact.of("0.15"), Scope.USE)
    assert (lender.portion, lender.cap, lender.cap_per) == (Ratio(1, 2), Exact.of(1450), Scope.LIFETIME)
    assert last.to == ((PARTIES["Elena Moser"], 4), (PARTIES["House fund"], 1))


def test_the_dryer_has_graduated_tiers_in_counts_of_its_meter() -> None:
    version = example("dryer")
    assert version.state is ContractState.SHADOW
    assert version.tariff.counts_per_unit == Ratio(1_000_000, 1)
    assert version.tariff.bands[0].tiers == (
        Tier(20_000_000, Exact.of("0.4215")),
        Tier(60_000_000, Exact.of("0.3655")),
        Tier(None, Exact.of("0.2999")),
    )
    assert (version.tariff.minimum, version.tariff.cap) == (Exact.of(4), Exact.of(60))
    assert version.split[0].portion == Ratio(1, 8)


def test_hot_water_is_shared_by_weights() -> None:
    version = example("hot-water")
    assert version.split[0].to == ((PARTIES["Casa Aurora"], 9), (PARTIES["House fund"], 1))
    assert version.terms.interval_ms == 3_600_000


def test_the_house_meter_has_bands_by_time_of_use() -> None:
    version = example("house-meter")
    shoulder = next(band for band in version.tariff.bands if band.name == "shoulder")
    assert shoulder.windows == (Window(31, 420, 480), Window(31, 1140, 1380), Window(32, 420, 1380))
    assert next(band for band in version.tariff.bands if band.name == "night").quota == 10_000
    assert version.terms.gap_rule is GapRule.HOLD
    assert version.change_rule == "majority"


DRYER_MISTAKES = [
    ('"0.3655 EUR/kWh"', '"-0.3655 EUR/kWh"', 39, "tiers[1].price", "negative"),
    ('"0.3655 EUR/kWh"', '"0.3655 EUR/L"', 39, "tiers[1].price", "expected 'EUR/kWh'"),
    ('"0.3655 EUR/kWh"', '"a EUR/kWh"', 39, "tiers[1].price", "'a' is not a number"),
    ('"0.3655 EUR/kWh"', "true", 39, "tiers[1].price", "must be a number"),
    ('"0.3655 EUR/kWh"', "nan", 39, "tiers[1].price", "not a finite number"),
    ('price = "0.3655', 'prise = "0.3655', 39, "tiers[1].price", "is it 'prise'?"),
    ('"60 kWh"', '"10 kWh"', 37, "tiers", "rise"),
    ('"60 kWh"', '"0.0000001 kWh"', 39, "tiers[1].up_to", "whole counts"),
    ('{ price = "0.2999 EUR/kWh" },', "", 37, "tiers", "last tier must be open"),
    ('counts = "0.001 Wh"', 'counts = "L"', 31, "tariff.counts", "do not measure the same thing"),
    ('counts = "0.001 Wh"', 'counts = "three"', 31, "tariff.counts", "do not measure the same thing"),
    ('counts = "0.001 Wh"', 'counts = "2 Wh"', 31, "tariff.counts", "unit of one count"),
    ("cap = 60", "cap = 3", 32, "tariff.minimum", "above the cap"),
    ("cap = 60", "cap = 60\nfloor = 1", 34, "tariff.floor", "not a field of this table"),
    ("cap = 60", "cap = 0.00000000001", 33, "tariff.cap", "nine decimals"),
    ('form = "interval"', 'form = "hourly"', 29, "tariff.form", "one of event, interval"),
    ('form = "interval"', 'form = "interval"\nstep = 1', 30, "tariff.step", "event uses"),
    ('portion = "1/8"', 'portion = "9/8"', 45, "split[0].portion", "more than all"),
    ('portion = "1/8"', 'portion = "an eighth"', 45, "split[0].portion", '"25 %"'),
    ('portion = "1/8"', "cap = 5", 45, "split[0].cap", "has no counter"),
    ('portion = "1/8"', 'cap = 5\ncounter = "x"', 44, "split[0].to", "say which"),
    ('portion = "1/8"', "fixed = 2", 43, "split[0].per", 'per = "period"'),
    ('[[split]]\nto = "Elena Moser"\n', "", 43, "split", "does not sum to the fee"),
    ('to = "Elena Moser"', 'to = "Elsa"', 48, "split[1].to", "not a party of this contract"),
    ('to = "Elena Moser"', 'to = { "Elena Moser" = "60 %", "House fund" = "30 %" }', 48, "split[1].to", "9/10"),
    ('to = "Elena Moser"', 'to = { "Elena Moser" = 0.6, "House fund" = 0.3 }', 48, "split[1].to", "9/10"),
    ('to = "Elena Moser"', 'to = { "Elena Moser" = 0 }', 48, "split[1].to", "0 or less"),
    ('user = "Family Conti"', 'user = "Family C"', 26, "asset[0].user", "neither a user nor a party of this contract"),
    ('name = "Family Conti"', 'name = "Family C"', 21, "user[0].name", "not a party of the community"),
    ('collector = "Elena Moser"', 'collector = "Elsa"', 10, "collector", "not a party of this contract"),
    ("effective_from = 2026-11-01", 'effective_from = "soon"', 9, "effective_from", "without quotes"),
    ("effective_from = 2026-11-01", "effective_from = 1999-01-01", 9, "effective_from", "before the year 2000"),
    ("version = 1", "version = 2", 3, "version", "must be 1"),
    ('zone = "Europe/Rome"', 'zone = "Europe/Roma"', 7, "zone", "is unknown"),
    ('state = "shadow"', 'state = "shaddow"', 8, "state", "one of draft"),
    ('state = "shadow"', 'stat = "shadow"', 8, "stat", "did you mean state?"),
    ('interval = "15 min"', 'interval = "a while"', 52, "terms.interval", "time span"),
    ('interval = "15 min"', 'interval = "7 min"', 52, "terms.interval", "must divide a day"),
    ('interval = "15 min"', "late_days = -1", 52, "terms.late_days", "0 or more"),
    ('keep = "3650 d"', "", 56, "notice.keep", "how long"),
    ('unit = "EUR"', "unit = EUR", 6, "file", "is not TOML"),
]


@pytest.mark.parametrize(("old", "new", "line", "field", "reason"), DRYER_MISTAKES)
def test_a_mistake_is_refused_with_its_line_field_and_next_step(
    old: str, new: str, line: int, field: str, reason: str
) -> None:
    good = text("dryer")
    assert old in good
    with pytest.raises(ContractError) as refused:
        load_contract(good.replace(old, new, 1), PARTIES)
    assert refused.value.field.endswith(field)
    assert reason in refused.value.reason
    assert refused.value.line == line
    assert str(refused.value).startswith(f"line {line}: ")


MISTAKES_OF_TIME: list[tuple[str, str]] = [
    ('"Mon-Fri 08:00-19:00"', '"Mo-Fr 08:00-19:00"'),
    ('"Mon-Fri 08:00-19:00"', '"Mon-Fri 8-19"'),
    ('"Mon-Fri 08:00-19:00"', '"Mon-Fri 08:61-19:00"'),
    ('"Mon-Fri 08:00-19:00"', '"Mon-Fri 08:00-25:00"'),
    ('"Mon-Fri 08:00-19:00"', '"Mon-Fri 08:00-08:00"'),
]


@pytest.mark.parametrize(("old", "new"), MISTAKES_OF_TIME)
def test_a_window_that_is_none_is_refused(old: str, new: str) -> None:
    with pytest.raises(ContractError, match="line 35: ") as refused:
        load_contract(text("house-meter").replace(old, new), PARTIES)
    assert refused.value.field == "tariff.band[0].windows[0]"


def test_a_window_over_midnight_goes_on_the_next_day() -> None:
    changed = text("house-meter").replace('"Mon-Fri 08:00-19:00"', '"Sat-Sun 22:00-06:00", "24:00-24:00"')
    with pytest.raises(ContractError, match="must be such as"):
        load_contract(changed, PARTIES)
    good = text("house-meter").replace('"Mon-Fri 08:00-19:00"', '"Sat-Sun 23:00-06:00"')
    assert load_contract(good, PARTIES).tariff.bands[0].windows == (
        Window(0b1100000, 1380, 1440),
        Window(0b1000001, 0, 360),
    )


def test_a_shared_tariff_must_say_so_in_its_notice() -> None:
    shared = text("dryer").replace("minimum = 4.00\ncap = 60", "shared = true")
    with pytest.raises(ContractError, match="shares_price_counter: must be true when the tariff is shared"):
        load_contract(shared, PARTIES)
    told = shared.replace("[notice]", "[notice]\nshares_price_counter = true")
    assert load_contract(told, PARTIES).tariff.shared


def test_terms_that_are_not_written_have_their_defaults() -> None:
    terms = example("laundry").terms
    assert (terms.rating_period, terms.late_days, terms.unknown_time) == (RatingPeriod.MONTH, 90, TimeRule.CHEAPEST)
    assert (terms.interval_ms, terms.max_gap_ms) == (900_000, 7_200_000)


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2026-11-01", MIDNIGHT),
        ("2026-11-01T00:00:00", MIDNIGHT),
        ("2026-10-31T23:00:00Z", MIDNIGHT),
        ("2026-11-01T02:30:00+02:00", MIDNIGHT + 90 * 60_000),
        ("2026-10-25T02:30:00", 1_792_888_200_000),  # twice that night: the first counts
    ],
)
def test_a_date_is_local_midnight_of_the_contracts_zone(written: str, ms: int) -> None:
    changed = text("dryer").replace("effective_from = 2026-11-01", f"effective_from = {written}")
    assert load_contract(changed, PARTIES).effective_from_ms == ms


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ContractError, match="the limit is"):
        load_contract("# " + "x" * 300_000, PARTIES)


@pytest.mark.parametrize("cutter", [lambda s, i: s[:i], lambda s, i: s[:i] + s[i + 9 :]])
def test_a_torn_file_raises_contract_errors_only(cutter: Callable[[str, int], str]) -> None:
    for name in ("laundry", "house-meter"):
        good = text(name)
        for position in range(0, len(good), 7):
            with suppress(ContractError):
                load_contract(cutter(good, position), PARTIES)


def test_lines_of_nested_values() -> None:
    head = 'a = 1\n[b]\nc = [\n  { d = "x]", e = 2 },\n  { d = """\n}\n""", e = 3 }, # [\n]\n'
    source = head + '[[f]]\n"g h" = 1\n[[f]]\n[f.i]\nj = 1\n'
    lines = lines_of(source)
    assert {path: lines[path] for path in ("a", "b.c", "b.c[1].d", "b.c[1].e", "f[0].g h", "f[1]", "f[1].i.j")} == {
        "a": 1,
        "b.c": 3,
        "b.c[1].d": 5,
        "b.c[1].e": 7,
        "f[0].g h": 10,
        "f[1]": 11,
        "f[1].i.j": 13,
    }
    assert line_of(lines, "b.c[7].z") == 3
    assert line_of(lines, "nothing") == 0
