"""One lie for each refusal of the verifier that changed bytes and the catalogue of cheats do not reach."""

from __future__ import annotations

import pytest
from fuzz import lies, lies_sums
from fuzz.forged import remembered
from support import evidence_world as w
from tallystick_protocol.verify import verify_evidence
from tallystick_protocol.verify.cost import verify_cost
from tallystick_protocol.verify.pool import verify_pool

TABLES = (lies.AGREEMENT, lies.CHAINS, lies.KEYS, lies.PIECES, lies.COUNTS, lies.STATEMENTS, lies.METERED, lies.LATER)
ROWS = {name: told for table in TABLES for name, told in table.items()}


@pytest.mark.parametrize("name", ROWS)
def test_a_lie_is_named(name: str) -> None:
    told = ROWS[name]
    with remembered():
        report = verify_evidence(told.file(), told.policy(w.policy(told.of().party)))
    assert not report.ok
    assert told.named in report.verdict


@pytest.mark.parametrize("name", lies_sums.POOLS)
def test_a_lie_about_a_pool_is_named(name: str) -> None:
    told = lies_sums.POOLS[name]
    assert told.named in verify_pool(told.file(), told.policy(told.of())).verdict


@pytest.mark.parametrize("name", lies_sums.BILLS)
def test_a_lie_about_a_bill_is_named(name: str) -> None:
    told = lies_sums.BILLS[name]
    assert told.named in verify_cost(told.file(), told.policy()).verdict
