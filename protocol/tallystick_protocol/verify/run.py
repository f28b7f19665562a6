"""Runs the steps one after the other and stops at the first thing that does not fit.
It never raises: whatever the bytes are, the answer is a report.
"""

from collections.abc import Callable, Sequence

from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.policy import Policy
from tallystick_protocol.verify.agreement import check_agreement
from tallystick_protocol.verify.case import Case
from tallystick_protocol.verify.chains import check_chains
from tallystick_protocol.verify.consistency import check_consistency
from tallystick_protocol.verify.coverage import check_coverage
from tallystick_protocol.verify.inclusion import check_log, check_witnesses
from tallystick_protocol.verify.keys import check_keys
from tallystick_protocol.verify.meter import check_meter
from tallystick_protocol.verify.pieces import check_pieces
from tallystick_protocol.verify.prices import check_prices
from tallystick_protocol.verify.reading import read
from tallystick_protocol.verify.report import ERASED, VALID, VALID_SPLIT_AS_COMMITTED, Check, Misfit, Report
from tallystick_protocol.verify.reversals import check_reversals
from tallystick_protocol.verify.slices import check_readings
from tallystick_protocol.verify.statements import check_statements

STEPS: Sequence[tuple[str, Callable[[Case], Check]]] = (
    ("log", check_log),
    ("witnesses", check_witnesses),
    ("signatures", check_keys),
    ("pieces", check_pieces),
    ("agreement", check_agreement),
    ("chains", check_chains),
    ("consistency", check_consistency),
    ("coverage", check_coverage),
    ("meters", check_meter),
    ("reversals", check_reversals),
    ("readings", check_readings),
    ("prices", check_prices),
    ("statement", check_statements),
)
"""Every step after reading the file, in order; each says in words what it found."""


def verify_evidence(data: bytes, policy: Policy) -> Report:
    """Verify an evidence file (any bytes) under a policy."""
    checks: list[Check] = []
    step = "file"
    try:
        case, check = read(data, policy)
        checks.append(check)
        for name, run in STEPS:
            step = name
            checks.append(run(case))
    except Misfit as misfit:
        checks.append(Check(step, False, str(misfit)))
        return Report(str(misfit), tuple(checks))
    except (ProtocolError, InvariantError) as error:
        words = f"{step}: cannot be checked ({error})"
        checks.append(Check(step, False, words))
        return Report(words, tuple(checks))
    return Report(_verdict(case), tuple(checks))


def _verdict(case: Case) -> str:
    if case.erased_uses:
        return ERASED
    return VALID_SPLIT_AS_COMMITTED if case.is_own else VALID
