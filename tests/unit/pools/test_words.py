"""A pool in words: what a new version changes, and the price list of its page."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.pools import POOL, Everybody, contract, toml
from tallystick_cloud.cli import main
from tallystick_cloud.contracts.diff import differences, statements
from tallystick_cloud.contracts.words import price_list
from tallystick_cloud.http.locale import Wording
from tallystick_protocol.money.contract_toml import load_contract

WORDS = Wording("en", ZoneInfo("Europe/Rome"))


@pytest.mark.parametrize(
    ("old", "new", "about"),
    [
        ('plants = "seniority"', 'plants = "pro-rata"', "shared energy comes from"),
        ('payer = "GSE"', 'payer = "consumers"', "shared energy is paid by"),
        ("add = 10", "add = 4", "worth of class up to 200 kW, north"),
        ("[140, 120]", "[150, 120]", "worth of class up to 200 kW, north"),
        ("add = 10", 'add = 10\nfactor = "75 %"', "worth of class up to 200 kW, north"),
        ('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "90 %"', "paid on account"),
        ('series = "NORD"', 'series = "SUD"', "price series"),
        ("add = 10", 'add = 10\n[pool.above]\nportion = "55 %"\nto = "Social fund"', "shared above a part of what"),
    ],
)
def test_every_term_of_a_pool_shows_in_the_difference(old: str, new: str, about: str) -> None:
    found = differences(contract(), contract(pool=POOL.replace(old, new)), WORDS)
    assert [one.about.startswith(about) for one in found] == [True]


@pytest.mark.parametrize("line", ["from = 2026-02-01", "to = 2026-02-01", "silent = true"])
def test_every_field_of_a_consumer_shows_in_the_difference(line: str) -> None:
    (one,) = differences(contract(), contract(more={"home-1": line}), WORDS)
    assert one.about == "asset home-1, withdrawn"


@pytest.mark.parametrize(
    ("old", "new"),
    [("public", "business"), ("2023-05-01", "2023-06-01"), ("commissioned", 'part = "1/2"\ncommissioned')],
)
def test_every_field_of_a_plant_shows_in_the_difference(old: str, new: str) -> None:
    (one,) = differences(contract(), load_contract(toml().replace(old, new, 1), Everybody()), WORDS)
    assert one.about == "asset plant-1, injected"


def test_the_price_list_is_what_shared_energy_is_worth() -> None:
    assert [(one.band, one.price) for one in price_list(contract(), WORDS)] == [
        ("up to 200 kW, north", "EUR 130.00 - 90.00 per MWh")
    ]
    assert statements(contract(), WORDS, {})["split, step 1"] == "producers: 45 % of what is left"


def test_trying_a_pool_on_a_table_of_uses_says_what_to_do_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cer.toml").write_text(toml())
    (tmp_path / "uses.csv").write_text("asset,start,end,amount\n")
    assert main(["contract", "simulate", str(tmp_path / "cer.toml"), "--uses", str(tmp_path / "uses.csv")]) == 1
    assert "tallystick pool show" in capsys.readouterr().err
