"""How the verifier names things for people: amounts, times, gateways, uses.
It never rounds an amount and never fails, whatever number a hostile file holds.
"""

from datetime import UTC, datetime, timedelta

_NANO = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_9999_MS = 253_402_300_799_000


def amount(nano: int, unit: str) -> str:
    """`3.20 EUR`: at least two decimals, all nine where they are needed."""
    whole, rest = divmod(abs(nano), _NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole}.{decimals} {unit}"


def moment(ms: int) -> str:
    """`2026-10-01 08:15:00 UTC`; milliseconds beyond the calendar stay a number."""
    if not 0 <= ms <= _YEAR_9999_MS:
        return f"{ms} ms"
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(ms: int) -> str:
    """`2026-10-01`, in UTC."""
    return moment(ms)[:10] if 0 <= ms <= _YEAR_9999_MS else f"{ms} ms"


def short(h: bytes) -> str:
    """The first eight hexadecimal digits, enough to tell a few hashes apart."""
    return h.hex()[:8]


def count(n: int, one: str, many: str = "") -> str:
    """`1 use`, `3 uses`."""
    return f"{n} {one}" if n == 1 else f"{n} {many or one + 's'}"
