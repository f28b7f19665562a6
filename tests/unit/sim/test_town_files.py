"""The demo's files say what the devices are: contracts load, and every planned channel has an agent that reads it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from tallystick_cloud.town.toml import load_town
from tallystick_edge.config_toml import load_config
from tallystick_protocol.money.contract import ContractState
from tallystick_protocol.money.contract_toml import draft_contract, load_contract
from tallystick_sim.edge_files import Where, edge_toml
from tallystick_sim.members import MEMBERS
from tallystick_sim.plan import Gateway
from tallystick_sim.slots import Slots
from tallystick_sim.town_files import CONTRACTS, FOLLOWS, contract_files, town_toml

NOON = 1_795_003_200_000
SLOTS = Slots(NOON)
WHERE = Where({gateway.value: f"/dev/{gateway.value}" for gateway in Gateway}, 5020)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    path = tmp_path / "town.toml"
    path.write_text(town_toml())
    return path


@pytest.mark.parametrize(("name", "state"), CONTRACTS)
def test_every_contract_loads_and_is_in_force(town: Path, name: str, state: str) -> None:
    parties = {party.new.name: bytes([i]) * 16 for i, party in enumerate(load_town(town).parties)}
    contract = load_contract(contract_files(SLOTS)[f"{name}.toml"], parties)  # type: ignore[arg-type]
    assert contract.state is ContractState(state)
    assert contract.effective_from_ms < NOON or name in FOLLOWS
    assets = {asset.id for asset in load_town(town).assets}
    assert {terms.asset for terms in contract.assets} <= assets


@pytest.mark.parametrize("gateway", Gateway)
def test_the_agent_reads_exactly_the_channels_of_the_plan(town: Path, tmp_path: Path, gateway: Gateway) -> None:
    (tmp_path / "edge.toml").write_text(edge_toml(gateway, WHERE, tmp_path / "claim.toml"))
    config = load_config(tmp_path / "edge.toml")
    read = {channel.number for meter in config.meters for channel in meter.channels} | {u.channel for u in config.uses}
    site = next(site for site in load_town(town).sites if site.id == gateway)
    assert read == {channel.number for channel in site.plan.channels}
    profiles = {meter.id: meter.profile for meter in config.meters}
    assert all(profiles[channel.meter] == channel.profile for channel in site.plan.channels)


@pytest.mark.parametrize(("later", "earlier"), FOLLOWS.items())
def test_a_later_version_prices_the_same_things_from_a_later_day(town: Path, later: str, earlier: str) -> None:
    parties = {party.new.name: bytes([i]) * 16 for i, party in enumerate(load_town(town).parties)}
    texts = contract_files(SLOTS)
    before, after = (load_contract(texts[f"{name}.toml"], parties) for name in (earlier, later))  # type: ignore[arg-type]
    priced = [[(terms.asset, terms.quantity) for terms in one.assets] for one in (before, after)]
    assert priced[0] == priced[1]
    assert (before.tariff, before.assets) != (after.tariff, after.assets)
    assert before.effective_from_ms < after.effective_from_ms


def test_twelve_members_take_turns_and_no_contract_names_them(town: Path) -> None:
    parties = {party.new.name: bytes([i]) * 16 for i, party in enumerate(load_town(town).parties)}
    numbers = iter(range(1, 1_000))
    groups = []
    for name in FOLLOWS:
        text = contract_files(SLOTS)[f"{name}.toml"]
        draft = draft_contract(text, parties, lambda size: next(numbers).to_bytes(size))  # type: ignore[arg-type]
        groups.append([one.party for one in draft.openings])
        assert all(terms.is_committed for terms in draft.contract.assets)
        assert not {party.name for party in draft.contract.parties} & set(MEMBERS)
    for one, two in pairwise(groups):
        assert len({*one, *two}) == len(MEMBERS) == 12
        assert {parties[name] for name in MEMBERS} == {*one, *two}


def test_every_channel_of_the_plan_is_priced_once(town: Path) -> None:
    priced = sorted(
        pair
        for name, text in contract_files(SLOTS).items()
        if name.removesuffix(".toml") not in FOLLOWS
        for pair in re.findall(r'\[\[asset\]\]\nasset = "(.*?)"\nquantity = "(.*?)"', text)
    )
    channels = sorted((c.asset, c.quantity) for site in load_town(town).sites for c in site.plan.channels)
    assert priced == channels
