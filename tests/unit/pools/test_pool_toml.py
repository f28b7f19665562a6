"""The [pool] of a contract file: what is refused, with line, field and reason; what it says, byte for byte again."""

import pytest
from support.pools import HEAD, POOL, SPLIT, TAIL, Everybody, contract, toml
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import load_contract
from tallystick_protocol.money.errors import ContractError

ABOVE = '\n[pool.above]\nportion = "55 %"\nto = "households"\n'
TARIFF = '[tariff]\nform = "interval"\nper = "kWh"\n[[tariff.band]]\nname = "a"\nprice = 1\n'
COEFFICIENTS = POOL.replace('consumers = "pro-rata"', 'consumers = "coefficients"')
PARTS = {"home-1": 'part = "1/2"', "shop-1": 'part = "1/4"', "home-2": 'part = "1/4"'}


def pool(old: str, new: str) -> str:
    return toml(POOL.replace(old, new))


BAD: dict[str, tuple[str, str]] = {
    "no rule for plants": (pool('plants = "seniority"\n', ""), r"pool\.plants: is missing"),
    "an unknown rule": (pool('"seniority"', '"age"'), r"pool\.plants: is 'age', must be one of"),
    "an unknown consumer rule": (pool('"pro-rata"', '"equal"'), r"pool\.consumers: is 'equal'"),
    "no payer": (pool('payer = "GSE"\n', ""), r"pool\.payer: is missing"),
    "a payer who is no party": (pool('"GSE"', '"ENEL"'), r"pool\.payer: 'ENEL' is not a party"),
    "prices per something else": (pool('"MWh"', '"m3"'), r"pool\.per: 'm3' cannot be counted in 'Wh'"),
    "a series that is missing": (pool('series = "NORD"\n', ""), r"pool\.series: is missing"),
    "no class": (toml(POOL.partition("[[pool.class]]")[0]), r"pool\.class: is missing"),
    "no price": (pool("points = [[140, 120], [180, 80]]\n", ""), r"class\[0\]\.price: needs"),
    "two prices": (toml(POOL + "price = 130\n"), r"class\[0\]\.price: needs"),
    "one knot": (pool(", [180, 80]", ""), r"pool\.class\[0\]\.points: must be two or more pairs"),
    "knots that fall": (pool("[180, 80]", "[130, 80]"), r"pool\.class\[0\]\.points: must rise"),
    "worth below nothing": (pool("[180, 80]", "[180, -80]"), r"points: are worth less than nothing"),
    "a knot in quotes": (pool("[140, 120]", '["a", 120]'), r"pool\.class\[0\]\.points: must be a number"),
    "a part above all": (toml(POOL + 'factor = "x"\n'), r"pool\.class\[0\]\.factor: must be a part"),
    "an advance without true-up": (
        pool('per = "MWh"', 'per = "MWh"\nadvance = "90 %"'), r"pool\.advance: pays a part only"),
    "an advance of more than all": (
        pool('per = "MWh"', 'per = "MWh"\ntrue_up = "year"\nadvance = "110 %"'), r"pool\.advance: is more"),
    "a true-up of a month": (pool('per =', 'true_up = "month"\nper ='), r"pool\.true_up: is 'month'"),
    "above to nobody": (toml(POOL + ABOVE.replace('"households"', '"poor"')), r"above\.to: 'poor' is not"),
    "above more than all": (toml(POOL + ABOVE.replace("55", "155")), r"pool\.above\.portion: is more than all"),
    "above without portion": (toml(POOL + ABOVE.replace('portion = "55 %"\n', "")), r"above\.portion: is missing"),
    "an unknown field": (pool("per =", "pre = 1\nper ="), r"pool\.pre: is not a field of this table"),
    "a tariff beside it": (toml(POOL + TARIFF), r"tariff: stands beside a \[pool\]"),
    "a meter without direction": (
        toml().replace('direction = "injected"\n', "", 1), r"asset\[0\]\.direction: is missing"),
    "a direction that is none": (toml().replace('"injected"', '"up"', 1), r"asset\[0\]\.direction: is 'up'"),
    "an unknown kind": (toml().replace('kind = "public"', 'kind = "bank"'), r"asset\[0\]\.kind: is 'bank'"),
    "a class of the pool that is none": (toml(more={"plant-1": 'class = "big"'}), r"asset\[0\]\.class: 'big' is no"),
    "a consumer with a date": (
        toml(more={"home-1": "commissioned = 2024-01-01"}), r"asset\[2\]\.commissioned: belongs to what"),
    "leaves before joining": (
        toml(more={"home-1": "from = 2026-02-01\nto = 2026-01-01"}), r"asset\[2\]\.to: is not after from"),
    "an offer of more than all": (toml(more={"plant-1": 'part = "101 %"'}), r"asset\[0\]\.part: is more than all"),
    "a part that nothing reads": (toml(more={"home-1": 'part = "1/2"'}), r"asset\[2\]\.part: has a coefficient that"),
    "a coefficient that is missing": (toml(COEFFICIENTS), r"asset\[2\]\.part: needs its coefficient"),
    "coefficients that do not make 1": (
        toml(COEFFICIENTS, more=PARTS | {"home-2": 'part = "1/5"'}), r"have coefficients that make 19/20"),
    "coefficients that do not make 1 later": (
        toml(COEFFICIENTS, more=PARTS | {"home-2": 'part = "1/4"\nto = 2026-06-01'}), r"that make 3/4"),
    "a file of coefficients that nothing reads": (
        pool("per =", f'coefficients = "{"0" * 64}"\nper ='), r"pool\.coefficients: is a file"),
    "a hash that is none": (
        toml(COEFFICIENTS.replace("per =", 'coefficients = "abc"\nper =')), r"pool\.coefficients: must be the"),
    "a plant that withdraws": (toml().replace('"injected"', '"withdrawn"', 1), r"asset\[0\]\.commissioned: belongs to"),
    "a group without a pool": (
        "\n".join((HEAD, '[[asset]]\nasset = "a"\nquantity = "q"\nuser = "CER"\n', TARIFF, SPLIT, TAIL)),
        r"split: |split\[0\]\.group: is a group of a pool"),
    "a group and a party": (
        toml(split=SPLIT.replace('group = "producers"', 'group = "producers"\nto = "CER"')), r"group: stands"),
    "an unknown group": (toml(split=SPLIT.replace('"producers"', '"friends"')), r"split\[0\]\.group: is 'friends'"),
    "an end that may be empty": (
        toml(split='[[split]]\ngroup = "households"\n'), r"split\[0\]\.group: may be empty in an hour"),
    "a lifetime cap": (
        toml(split='[[split]]\nto = "CER"\ncap = 5\ncap_per = "lifetime"\ncounter = "c"\n' + SPLIT),
        r"split\[0\]\.cap_per: counts over the life"),
    "direct payment": (toml().replace('collector = "CER"', 'collector = "CER"\nmode = "direct"'), r"mode: of a pool"),
    "weeks that do not end with the year": (
        pool("per =", 'true_up = "year"\nper =').replace('"month"', '"week"'), r"must end with"),
    "one meter twice": (
        toml().replace('asset = "home-2"\nquantity = "1-0:1.8.0"', 'asset = "home-1"\nquantity = "1-0:1.8.1"'),
        r"asset: count one direction of home-1 twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_pool_that_does_not_fit_is_refused_with_line_field_and_reason(case: str) -> None:
    text, reason = BAD[case]
    with pytest.raises(ContractError, match=reason) as refused:
        load_contract(text, Everybody())
    assert refused.value.line > 0


def test_a_pool_is_read_back_byte_for_byte() -> None:
    pool = POOL.replace("per =", 'true_up = "year"\nadvance = "9/10"\nper =') + ABOVE
    found = contract(pool=pool, more={"home-1": "from = 2026-02-01\nsilent = true"})
    assert Contract.decode(found.encode()) == found
    assert found.pool is not None
    assert found.pool.points[2].from_ms == 1_769_900_400_000
