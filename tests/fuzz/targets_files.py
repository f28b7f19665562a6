"""Fuzz targets of the files that people write or carry: contract, cost pool, policy, evidence, a witness's
state, edge.toml, profile, claim file, town, answers, backup. Each border has its own error, and it alone comes out."""

from __future__ import annotations

import zlib
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import cbor2
from fuzz import proofs, seeds
from fuzz.forged import EDIT_BYTES, EDITS_MAX, forged, forgers, remembered
from fuzz.free import is_free, is_of_the_host, only_change
from fuzz.target import Target, as_file, as_text
from support.edge_file import GOOD
from support.evidence_world import ANNA
from support.evidence_world import policy as policy_of
from support.pools import GRID, PRICES
from support.vector_case import plain
from tallystick_cloud.backup import container, manifest
from tallystick_cloud.errors import CloudError
from tallystick_cloud.founding.answers import read_answers
from tallystick_cloud.invoices.setup import EXAMPLE
from tallystick_cloud.invoices.setup import parse as parse_setup
from tallystick_cloud.pools.compare import rows_of as shared_of
from tallystick_cloud.pools.grid_file import coefficient_columns, energy_rows, price_rows
from tallystick_cloud.town.toml import load_site, load_town
from tallystick_edge.claim_file import load_claim
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import ConfigError
from tallystick_edge.profile import ProfileError
from tallystick_edge.profile_toml import parse_profile
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.evidence_file import unpack
from tallystick_protocol.ids import PartyId, sha256
from tallystick_protocol.money.contract_toml import load_contract
from tallystick_protocol.money.cost import charges_of
from tallystick_protocol.money.toml_cost import load_cost
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.policy import load_policy
from tallystick_protocol.verify import verify_evidence
from tallystick_protocol.verify.cost import verify_cost
from tallystick_protocol.verify.pool import verify_pool
from tallystick_protocol.verify.report import Report
from tallystick_protocol.verify.witness import load_seen

_NAMES = ("Elena Moser", "Kofler Repairs", "Bank of Neighbours", "House fund", "Family Conti", "Ahmed Haddad",
          "Casa Aurora", "Flat share, top floor")  # fmt: skip
PARTIES = {name: PartyId(sha256(name.encode())[:16]) for name in _NAMES}
_POLICY = policy_of(ANNA)
_ROME = offsets_of("Europe/Rome")
_CLAIM = """\
version = 1
server = "https://tally.example:8443"
ca_pem = "-----BEGIN CERTIFICATE-----"
claim = "7KQ2-XXXX"
site = "cellar"
[mqtt]
host = "tally.example"
port = 8883
"""
_SEEN = '{"version": 1, "origin": "log.example", "size": 3, "root": "' + "00" * 32 + '"}'


def _verify(data: bytes) -> None:
    with remembered():
        _has_words(verify_evidence(data, _POLICY))


def _verify_forged(data: bytes) -> None:
    """A file is a finding, too, when it is taken although the host signed another value in it."""
    made = forged(data)
    with remembered():
        report = verify_evidence(made.file, policy_of(made.party))
    _has_words(report)
    if report.ok and is_of_the_host(made.kind):
        place = only_change(*(plain(cbor2.loads(one)) for one in (made.old, made.new)))
        if place is not None and not is_free(made.party, (made.kind, place)):
            raise AssertionError(f"another value in {made.kind} at {place} is taken")


def _forged_seeds() -> list[bytes]:
    """Objects and pieces of every file, each with a value one less in another place."""
    return [
        bytes([which, target, 0, 3 * target, 0, 127])
        for which, (_, forger) in enumerate(forgers())
        for target in range(which % 3, forger.targets, 3)
    ]


def _verify_pool(data: bytes) -> None:
    _has_words(verify_pool(data, proofs.pool()[1]))


def _verify_cost(data: bytes) -> None:
    _has_words(verify_cost(data, proofs.cost()[1]))


def _has_words(report: Report) -> None:
    if not report.verdict:
        raise AssertionError("a verdict says nothing")


def _town_seeds() -> list[bytes]:
    from support.books import TOWN

    return [TOWN.encode()]


def _answers_seeds() -> list[bytes]:
    return [b'version = 1\n[community]\nname = "Us"\n[contract]\nfrom = 2026-12-01\n[names]\n"Lender" = "A bank"\n']


def _backup_seeds() -> list[bytes]:
    text = b'{"table": "t", "columns": ["a", "b"], "octets": ["b"], "rows": [[1, "AAA="], [null, null]]}'
    return [zlib.compress(text)]


def _manifest_seeds() -> list[bytes]:
    stands = manifest.Measured("us", "log.example", 3, "00", "00", 2)
    made = manifest.Manifest("0.1.0", "0001", "2026-11-29", "sqlite", "sealed", (stands,), {"t": 2}, "00")
    return [made.encode()]


def _house_seeds() -> list[bytes]:
    from support.shared_house import BILL, HEAD, flat_text, readings

    return [(HEAD + flat_text(0) + flat_text(1) + readings(0) + readings(1) + BILL).encode()]


def _shared(text: str) -> None:
    """Read, and where there is a bill, share it: nothing but its own error may come out, and shares sum to it."""
    cost = load_cost(text)
    if cost.bill is not None:
        charges = charges_of(cost, cost.bill, lambda stay, _: Fraction(stay.days))
        assert sum(one.cents for one in charges) == cost.bill.cents


_SHARED = "start;shared_kwh\n2026-06-01T10:00;0,250\n2026-06-01T11:00+02:00;1,5\n"
_POOL: Any = SimpleNamespace(contract=SimpleNamespace(zone="Europe/Rome", terms=SimpleNamespace(interval_ms=3_600_000)))


def _energy(text: str) -> None:
    energy_rows(text, _ROME, 3_600_000)


FILES = (
    Target(
        "contract-toml",
        as_text(lambda text: load_contract(text, PARTIES)),
        (ProtocolError,),
        seeds.files("docs/examples/*.toml"),
        bytes_max=8192,
        ci=800,
    ),
    Target(
        "invoice-setup", as_text(lambda text: parse_setup(text, "setup")), (CloudError,), seeds.texts(EXAMPLE), ci=500
    ),
    Target("cost-toml", as_text(_shared), (ProtocolError,), _house_seeds, bytes_max=8192, ci=500),
    Target("policy", load_policy, (ProtocolError,), seeds.policy),
    Target("evidence-file", unpack, (ProtocolError,), lambda: [b"tallystick evidence 1\n" + bytes(40)]),
    Target("verify-evidence", _verify, (), seeds.evidence, bytes_max=16_384, ci=250),  # twice the smallest file
    Target("verify-forged", _verify_forged, (), _forged_seeds, bytes_max=2 + EDITS_MAX * EDIT_BYTES, ci=100),
    Target("witness-state", load_seen, (ProtocolError,), seeds.texts(_SEEN)),
    Target("edge-toml", lambda data: load_config(as_file(data)), (ConfigError,), seeds.texts(GOOD), ci=3_000),
    Target(
        "profile-toml",
        lambda data: parse_profile("fuzzed", data),
        (ProfileError,),
        lambda: [_renamed(data) for data in seeds.files("edge/tallystick_edge/profiles/*.toml")()],
        bytes_max=16_384,
        ci=800,
    ),
    Target("claim-file", lambda data: load_claim(as_file(data)), (ConfigError,), seeds.texts(_CLAIM), ci=5_000),
    Target("town-toml", lambda data: load_town(as_file(data)), (CloudError,), _town_seeds, bytes_max=8192, ci=2_000),
    Target("answers-toml", lambda data: read_answers(as_file(data)), (CloudError,), _answers_seeds, ci=1_000),
    Target("grid-energy", as_text(_energy), (CloudError,), seeds.texts(GRID), ci=1_000),
    Target("grid-prices", as_text(lambda text: price_rows(text, _ROME)), (CloudError,), seeds.texts(PRICES), ci=500),
    Target("grid-shared", lambda data: shared_of(data, _POOL), (CloudError,), seeds.texts(_SHARED), ci=500),
    Target("grid-weights", as_text(coefficient_columns), (CloudError,), seeds.texts("A;0001;0,25\n"), ci=500),
    Target("verify-pool", _verify_pool, (), lambda: [proofs.pool()[0]], bytes_max=8192, ci=250),
    Target("verify-cost", _verify_cost, (), lambda: [proofs.cost()[0]], bytes_max=8192, ci=250),
    Target("backup-rows", container.rows_of, (CloudError,), _backup_seeds, ci=2_000),
    Target("backup-manifest", manifest.decode, (CloudError,), _manifest_seeds, ci=2_000),
    Target("site-toml", lambda data: load_site(as_file(data)), (CloudError,), _town_seeds, bytes_max=8192, ci=1_000),
)


def _renamed(profile: bytes) -> bytes:
    lines = profile.split(b"\n")
    return b"\n".join(b'name = "fuzzed"' if line.startswith(b"name = ") else line for line in lines)
