"""The reference of the contract file against the program: its example is read, and it names every field."""

import re
from pathlib import Path

from tallystick_protocol.ids import PartyId
from tallystick_protocol.money import contract, contract_toml, pool, split, toml_pool, toml_tariff
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import load_contract

ROOT = Path(__file__).parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "contract.md").read_text()
FIELD = re.compile(r'table\.(?:text|word|flag|count|amount|portion|duration_ms|texts|decimal|raw|has)\(\s*"(\w+)"')


def test_the_example_of_the_reference_is_a_contract() -> None:
    found = re.search(r"```toml\n(.*?)```", REFERENCE, re.DOTALL)
    assert found is not None
    parties = {"Casa Aurora": PartyId(bytes([1]) * 16), "Ahmed Haddad": PartyId(bytes([2]) * 16)}
    version = load_contract(found[1], parties)
    assert Contract.decode(version.encode()) == version


def test_the_reference_names_every_field_and_every_word() -> None:
    fields: set[str] = set()
    for module in (contract_toml, toml_pool, toml_tariff):
        fields |= set(FIELD.findall(Path(module.__file__).read_text()))
    assert len(fields) > 35
    assert not {name for name in fields if not re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", REFERENCE)}
    tables = (contract.ContractState, contract.Mode, contract.RatingPeriod, contract.GapRule, contract.TimeRule)
    of_pools = (pool.PlantRule, pool.ConsumerRule, pool.Direction, pool.MemberKind, split.Group)
    words = {str(word) for table in (*tables, *of_pools) for word in table}
    assert not {word for word in words if f"`{word}`" not in REFERENCE}
