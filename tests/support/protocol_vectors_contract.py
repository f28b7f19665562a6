"""Vectors of a contract as bytes: one whole version, a small one, and named failures.
What a contract's rules mean in money is tested with the money rules, not here."""

from __future__ import annotations

from dataclasses import replace

from support import protocol_samples as s
from support.vector_case import DELETE, Case, Cases, edit
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import AssetTerms, Contract, ContractState, Mode, Notice, PartyRef, Terms
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.pool import (
    Above,
    ConsumerRule,
    Direction,
    MemberKind,
    PlantRule,
    Point,
    Pool,
    PriceClass,
    pool_tariff,
)
from tallystick_protocol.money.split import Group, Scope, Step
from tallystick_protocol.money.tariff import Band, Form, Tariff, Tier
from tallystick_protocol.money.user import commit_user

OWNER, USER, FINANCIER = (PartyId(s.fixed(name, 16)) for name in ("owner", "user", "financier"))
CONTRACT = Contract(
    nonce=s.fixed("contract", 16),
    prev=None,
    name="Wash house, Via Roma 12",
    version=1,
    community="laundry",
    unit="EUR",
    zone="Europe/Rome",
    state=ContractState.LIVE,
    mode=Mode.PRINCIPAL,
    collector=OWNER,
    change_rule="all",
    decision_ref=None,
    effective_from_ms=s.T0,
    effective_to_ms=None,
    parties=(
        PartyRef("Owners", OWNER, "owner"),
        PartyRef("Anna", USER, "user"),
        PartyRef("Green Fund", FINANCIER, "financier"),
    ),
    assets=(AssetTerms("washer-1", "cycles", USER),),
    tariff=Tariff(
        Form.EVENT,
        "cycle",
        "cycle",
        0,
        Ratio(1, 1),
        (
            Band("hot", (Tier(20, Exact(3, 0)), Tier(None, Exact(25, -1))), programmes=("60", "90")),
            Band("cold", (Tier(None, Exact(21, -1)),), quota=2, programmes=("30",)),
        ),
        minimum=Exact(1599, -2),
        cap=Exact(6, 1),
    ),
    split=(
        Step(((FINANCIER, 1),), portion=Ratio(3, 10), cap=Exact(2, 2), cap_per=Scope.LIFETIME, counter="loan"),
        Step(((OWNER, 1),)),
    ),
    terms=Terms(),
    notice=Notice("start, end, programme and price of each cycle", "to bill it", 730, "the parties"),
)

POOL = replace(
    CONTRACT,
    name="CER, Via Roma 12",
    assets=(AssetTerms("roof", "1-0:2.8.0", OWNER), AssetTerms("flat", "1-0:1.8.0", USER)),
    tariff=pool_tariff("MWh", Ratio(10**6, 1)),
    split=(Step((), Ratio(2, 5), group=Group.PRODUCERS), Step((), group=Group.CONSUMERS)),
    pool=Pool(
        PlantRule.SENIORITY,
        ConsumerRule.PRO_RATA,
        FINANCIER,
        (
            PriceClass("small", ((Exact(14, 1), Exact(12, 1)), (Exact(18, 1), Exact(8, 1))), Exact(1, 1), Ratio(3, 4)),
            PriceClass("other", ((Exact(0, 0), Exact(9, 1)),)),
        ),
        (
            Point(Direction.INJECTED, MemberKind.BUSINESS, s.T0, None, 1, s.T0, Ratio(1, 2)),
            Point(Direction.WITHDRAWN, to_ms=s.T0 + 1, silent=True),
        ),
        "NORD",
        True,
        Ratio(9, 10),
        Above(Ratio(11, 20), None),
    ),
)


def contracts() -> list[Case]:
    c = Cases("contract", CONTRACT.encode())
    c.ok("a wash house", c.good)
    c.common("contract")
    mornings = edit(c.good, [17, 5, 0, 3], [[0b11111, 360, 720]])
    for band in (0, 1):
        mornings = edit(mornings, [17, 5, band, 4], DELETE)
    c.ok("a price of weekday mornings", mornings)
    c.bad("a window over midnight", edit(mornings, [17, 5, 0, 3, 0, 1], 1320), "bad-value",
          "contract.tariff.bands[0].windows[0]", rule=True)  # fmt: skip
    c.ok("a second version", edit(edit(c.good, [4], 2), [2], s.h32("contract 1")))
    c.ok("a user whom it does not name", edit(c.good, [16, 0, 2], commit_user(s.fixed("salt", 16), USER)))
    c.edited("a user of no size", [16, 0, 2], bytes(24), "bad-value", "contract.assets[0].user")
    c.edited("a user who is no party", [16, 0, 2], bytes(16), "bad-value", "contract.assets[0].user", rule=True)
    twice = [["washer-1", "cycles", s.h32("user")], ["washer-2", "cycles", s.h32("user")]]
    c.edited("one commitment for two assets", [16], twice, "bad-value", "contract.assets", rule=True)
    c.edited("no nonce", [1], DELETE, "missing-field", "contract.nonce")
    c.edited("a state that nobody knows", [8], "maybe", "unsupported", "contract.state")
    c.edited("version 2 without the one before", [4], 2, "bad-value", "contract.prev", rule=True)
    c.edited("a collector who is no party", [10], bytes(16), "bad-value", "contract.collector", rule=True)
    c.edited("no parties", [15], [], "bad-value", "contract.parties")
    c.edited("ends before it begins", [14], 5, "bad-value", "contract.effective_to_ms", rule=True)
    c.edited("a price that is a number alone", [17, 5, 0, 1, 0, 1], 3, "bad-type",
             "contract.tariff.bands[0].tiers[0].price")  # fmt: skip
    c.edited("a price with a trailing zero", [17, 5, 0, 1, 0, 1], [30, -1], "bad-value",
             "contract.tariff.bands[0].tiers[0].price.mantissa", rule=True)  # fmt: skip
    c.edited("a share that is not in lowest terms", [18, 0, 1], [6, 20], "bad-value",
             "contract.split[0].portion", rule=True)  # fmt: skip
    c.edited("a default that is spelled out", [17, 8], 1, "bad-value", "contract.tariff.step")
    c.edited("a rest that is missing", [18], [], "bad-value", "contract.split")
    c.edited("an interval that does not divide a day", [19, 1], 70_000_000, "bad-value",
             "contract.terms.interval_ms", rule=True)  # fmt: skip
    c.edited("a notice that is text", [20, 0], "text", "bad-type", "contract.notice.what")
    _pools(c)
    return c.cases


def _pools(c: Cases) -> None:
    points = POOL.to_value()[21][4]
    c.ok("a pool", POOL.encode())
    cases = (
        ("a pool whose tariff prices something", [17], CONTRACT.to_value()[17], "contract.tariff"),
        ("a pool without anybody who withdraws", [21, 4, 1, 0], "injected", "contract.pool.points"),
        ("a class that is none", [21, 4, 0, 4], 2, "contract.pool.points[0].price_class"),
        ("more points than assets", [21, 4], [*points, {0: "injected"}], "contract.pool.points"),
        ("a class that pays for nothing below zero", [21, 3, 1, 1, 0, 1], [-9, 1], "contract.pool.classes[1].knots"),
        ("an advance without a true-up", [21, 6], DELETE, "contract.pool.advance"),
        ("a payer who is no party", [21, 2], bytes(16), "contract.pool.payer"),
        ("a coefficient that nothing reads", [21, 4, 1, 6], [1, 2], "contract.pool.points[1].part"),
        ("a point that withdraws and has a class", [21, 4, 1, 4], 1, "contract.pool.points[1].price_class"),
    )
    for name, path, value, field in cases:
        c.bad(name, edit(POOL.encode(), path, value), "bad-value", field, rule=True)
    c.edited(
        "a group without a pool", [18, 1], {0: [], 8: "members"}, "bad-value", "contract.split[1].group", rule=True
    )
