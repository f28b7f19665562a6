"""Vectors of a contract as bytes: one whole version, a small one, and named failures.
What a contract's rules mean in money is tested with the money rules, not here."""

from __future__ import annotations

from support import protocol_samples as s
from support.vector_case import DELETE, Case, Cases, edit
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import AssetTerms, Contract, ContractState, Mode, Notice, PartyRef, Terms
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.split import Scope, Step
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


def contracts() -> list[Case]:
    c = Cases("contract", CONTRACT.encode())
    c.ok("a wash house", c.good)
    c.common("contract")
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
    return c.cases
