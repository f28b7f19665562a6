"""The community that every simulated world begins with: founded and enrolled once, by the real use cases, then copied.
Its keys come from fixed seeds; nobody outside a test may ever believe them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.uploads import Randomness, SimGateway
from tallystick_cloud import schema
from tallystick_cloud.ca import create_authority
from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.db import Database
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.keys import ROLES, CommunityKeys
from tallystick_cloud.town.service import found
from tallystick_cloud.town.toml import load_town
from tallystick_protocol.checkpoint import log_id
from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.keys import Ed25519Signer, P256Signer

SITES = ("cellar", "attic")
COMMUNITY = "lindenhof"
ORIGIN = "log.example/lindenhof"
MIDNIGHT_MS = 1_793_577_600_000  # 2026-11-02T00:00Z: a rating period ends in every run
FOUNDED_MS = MIDNIGHT_MS - 30 * 86_400_000
HOUSE, CYCLES, WASHER = 1, 2, 3  # channels of each gateway: a flat's energy, washes, the machine's energy
WASH_PRICES = {"30": 1_200_000_000, "60": 1_850_300_000}  # nano per wash
LOAN_CAP = 9_400_000_000  # nano: reached in the middle of most runs
TIER_WH, TIER_LOW, TIER_HIGH = 3_000, 331_300, 290_000  # nano per Wh up to the tier, and above it
MINIMUM = 2_500_000_000  # nano per payer and day

_PEOPLE = ("Coop", "Repairer", "Bank", "Fund", "Anna", "Ben")
_PARTIES = "".join(f'[[party]]\nname = "{name}"\nrole = "owner"\n' for name in _PEOPLE)
_HEAD = """\
version = 1
name = "{name}"
community = "lindenhof"
unit = "EUR"
zone = "UTC"
state = "live"
collector = "Coop"
effective_from = 2026-01-01
"""
_TERMS = """\
[terms]
rating_period = "day"
interval = "15 min"
[notice]
what = "uses"
why = "to price them"
keep = "3650 d"
who = "the parties"
"""
WASHES = (
    _HEAD.format(name="Washes")
    + _PARTIES
    + "".join(f'[[asset]]\nasset = "washer-{site}"\nquantity = "cycles"\nuser = "Anna"\n' for site in SITES)
    + """\
[tariff]
form = "event"
per = "cycle"
[[tariff.band]]
name = "gentle"
programmes = ["30"]
price = 1.20
[[tariff.band]]
name = "hot"
programmes = ["60"]
price = 1.8503
[[split]]
to = "Repairer"
fixed = 0.15
[[split]]
to = "Bank"
portion = "40 %"
cap = 9.40
cap_per = "lifetime"
counter = "loan"
[[split]]
to = { "Coop" = 4, "Fund" = 1 }
"""
    + _TERMS
)
ENERGY = (
    _HEAD.format(name="Energy")
    + _PARTIES
    + "".join(
        f'[[asset]]\nasset = "{asset}-{site}"\nquantity = "1-0:1.8.0"\nuser = "Ben"\n'
        for site in SITES
        for asset in ("flat", "washer")
    )
    + """\
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
minimum = 2.50
[[tariff.band]]
name = "all"
tiers = [{ up_to = 3, price = 0.3313 }, { price = 0.29 }]
[[split]]
to = { "Bank" = 1, "Fund" = 2 }
portion = "1/3"
cap = 1.00
cap_per = "period"
counter = "shared by two"
[[split]]
to = "Coop"
"""
    + _TERMS
)


def _channel(number: int, meter: str, asset: str, quantity: str, unit: str, form: str) -> str:
    return (
        f'[[site.channel]]\nnumber = {number}\nmeter = "{meter}"\nasset = "{asset}"\nquantity = "{quantity}"\n'
        f'unit = "{unit}"\nform = "{form}"\nprofile = "test"\ntype_approval = "DE-1"\n'
    )


def _site(site: str) -> str:
    return (
        f'[[site]]\nid = "{site}"\nname = "{site}"\n'
        + _channel(HOUSE, f"house-{site}", f"flat-{site}", "1-0:1.8.0", "Wh", "interval")
        + _channel(CYCLES, f"washer-{site}", f"washer-{site}", "cycles", "cycle", "event")
        + _channel(WASHER, f"washer-{site}", f"washer-{site}", "1-0:1.8.0", "Wh", "interval")
    )


def _town() -> str:
    head = (
        f'version = 1\n[community]\nid = "{COMMUNITY}"\nname = "Lindenhof"\nzone = "UTC"\nunit = "EUR"\n'
        f'log = "{ORIGIN}"\n'
    )
    forms = {"Coop": "organisation", "Bank": "organisation", "Fund": "fund"}
    people = "".join(
        f'[[party]]\nname = "{name}"\nform = "{forms.get(name, "person")}"\nkey = "hosted"\n' for name in _PEOPLE
    )
    assets = "".join(
        f'[[asset]]\nid = "{kind}-{site}"\nname = "{kind}"\nkind = "{kind}"\n'
        for site in SITES
        for kind in ("flat", "washer")
    )
    contracts = (
        '[[contract]]\nfile = "washes.toml"\nstate = "live"\n[[contract]]\nfile = "energy.toml"\nstate = "live"\n'
    )
    return head + people + assets + "".join(_site(site) for site in SITES) + contracts


@dataclass(frozen=True, slots=True)
class Member:
    """One enrolled gateway."""

    site: str
    signer: P256Signer
    answer: EnrolAnswer


@dataclass(frozen=True, slots=True)
class Town:
    """`image`: the database right after the last enrolment."""

    image: bytes
    aggregator: Aggregator
    members: Mapping[str, Member]


def p256(name: str) -> P256Signer:
    """The P-256 key of a name."""
    secret = int.from_bytes(hashlib.sha256(f"simulated key {name}".encode()).digest(), "big") >> 1
    key = ec.derive_private_key(secret, ec.SECP256R1())
    return P256Signer.from_pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _context() -> Context:
    keys = [Ed25519Signer.from_seed(hashlib.sha256(f"simulated {role}".encode()).digest()) for role in ROLES]
    made = CommunityKeys(*keys)
    return Context(COMMUNITY, ORIGIN, log_id(made.log.spki), made)


@cache
def town() -> Town:
    """Made once per process, the same bytes that matter in every process."""
    hosted = (p256(f"party {number}") for number in range(100))
    with tempfile.TemporaryDirectory() as name, mock.patch.object(P256Signer, "generate", side_effect=hosted):
        folder = Path(name)
        for file, text in {"town.toml": _town(), "washes.toml": WASHES, "energy.toml": ENERGY}.items():
            (folder / file).write_text(text)
        authority = create_authority(folder / "ca", ("localhost",), datetime.now(UTC))
        loaded = load_town(folder / "town.toml")
        entropy, context = Randomness("town"), _context()
        aggregator = Aggregator({COMMUNITY: context}, authority, entropy)
        database = Database("sqlite://")
        try:
            database.write_now(schema.metadata.create_all)
            founded = database.write_now(found, context, loaded, entropy, FOUNDED_MS)
            members = {}
            for site in SITES:
                signer = p256(site)
                request = SimGateway(site, signer).enrol_request(founded.claims[site])
                done = database.write_now(enrol, aggregator, request, FOUNDED_MS, datetime.now(UTC))
                members[site] = Member(site, signer, EnrolAnswer.decode(done.answer))
            with database.engine.connect() as conn:
                image: bytes = conn.connection.driver_connection.serialize()  # type: ignore[union-attr]
        finally:
            database.close()
    return Town(image, aggregator, members)
