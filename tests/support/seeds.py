"""Where the chance of a test comes from: fixed in CI, so that the same code gives the same result, and fresh elsewhere.

Hypothesis's own part of it is in tests/conftest.py. `make explore` draws what nobody drew before.
"""

from __future__ import annotations

import os
import secrets

from support import postgres

GIVEN = "TALLYSTICK_SEED"


def is_fixed() -> bool:
    """Whether this is CI, where a change must not be red because another day drew another example."""
    return postgres.required()


def drawn(name: str) -> str:
    """The seed of the test of that name, printed: TALLYSTICK_SEED, or in CI the name itself, or else a fresh one."""
    seed = os.environ.get(GIVEN) or (name if is_fixed() else secrets.token_hex(4))
    print(f"seed {seed}; again: {GIVEN}={seed}")
    return seed


def drawn_number(name: str) -> int:
    """The same as a number of six digits, for programs that take one."""
    seed = os.environ.get(GIVEN) or str(sum(name.encode()) if is_fixed() else secrets.randbelow(1_000_000))
    print(f"seed {seed}; again: {GIVEN}={seed}")
    return int(seed)
