"""When a meter is read: at every multiple of its interval, and at every contract edge.
Pure arithmetic on UTC milliseconds; it neither waits nor knows what a contract says."""

from __future__ import annotations

EDGE_MS = 900_000
"""A quarter hour. Every band of a tariff and every local midnight falls on one: no zone in use is offset from UTC by
anything but a multiple of 15 minutes (IANA time zone database)."""


def next_due(now_ms: int, every_ms: int) -> int:
    """The earliest instant after `now_ms` at which a meter read every `every_ms` should be read."""
    return min((now_ms // every_ms + 1) * every_ms, (now_ms // EDGE_MS + 1) * EDGE_MS)
