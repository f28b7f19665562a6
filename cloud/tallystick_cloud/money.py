"""Nano of a unit as whole cents and as text.

It never rounds up, and never makes a float.
"""

CENT_NANO = 10**7  # nano of a unit in a cent


def whole_cents(owed_nano: int) -> int:
    """max(0, owed) in whole cents, floored: the rest stays on the account, a debt is settled by the next earnings."""
    return max(0, owed_nano) // CENT_NANO


def money(nano: int) -> str:
    """Nano of a unit as a decimal with at least two places, exact."""
    whole, rest = divmod(abs(nano), 10**9)
    text = f"{rest:09d}".rstrip("0")
    return f"{'-' if nano < 0 else ''}{whole}.{text:0<2}"


def decimal(cents: int) -> str:
    """Cents as units with two decimals; exact for any size and sign."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"
