"""How rough one world is: every rate is itself drawn from the seed, so that some seeds are calm and some are hell.
Values only; what happens when is drawn by those whom it happens to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

HOUR_S = 3600.0
STORMS: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "bent": {"bent": (0.1, 0.3), "loss": (0.0, 0.1)},
    "store": {
        "commit_fails": (0.02, 0.1), "commit_happened": (0.02, 0.1), "crash_at_commit": (0.02, 0.05),
        "gateway_crash_every_s": (240.0, 120.0),
    },
    "restore": {"restore_every_s": (900.0, 450.0), "exchanged_with_card": (0.8,), "bent": (0.0, 0.1)},
    "server": {
        "server_commit_fails": (0.05, 0.2), "server_dies_after_commit": (0.1, 0.3),
        "server_crash_every_s": (300.0, 600.0), "server_down_s": (1.0, 60.0), "reversal_every_s": (600.0,),
    },
    "glitch": {"glitch": (0.02,), "silent_every_s": (600.0,), "bent": (0.05,)},
    "clock": {
        "clock_step_every_s": (240.0, 600.0), "clock_set_after_s": (5.0, 600.0, 2400.0),
        "gateway_crash_every_s": (240.0, 600.0), "glitch": (0.0, 0.01), "restore_every_s": (0.0, 1800.0),
    },
    "disk": {
        "disk_full_every_s": (400.0, 900.0), "disk_full_s": (60.0, 600.0), "black_hole_every_s": (900.0,),
        "gateway_crash_every_s": (0.0, 240.0), "commit_fails": (0.0, 0.05), "dies_sending": (0.0, 0.2),
    },
    "wire": {
        "loss": (0.2, 0.4), "twice": (0.3, 0.5), "redelivered": (0.5,), "reset_every_s": (60.0, 120.0),
        "black_hole_every_s": (600.0, 1800.0), "server_busy_every_s": (600.0,), "latency_s": (2.0, 10.0),
    },
}  # fmt: skip
"""Worlds in which one kind of fault is far more often than anywhere, for what takes several of them at once: what the
other rates are drawn from stays."""


def _often(chance: Random, *values: float) -> float:
    """One of these."""
    return chance.choice(values)


@dataclass(frozen=True, slots=True)
class Rates:
    """Probabilities are per occasion, `*_every_s` are mean virtual seconds between two (0 = never)."""

    poll_ms: int
    flush_ms: int
    seal_every_ms: int
    heartbeat_ms: int
    resend_ms: int
    latency_s: float
    loss: float
    twice: float
    bent: float  # a message whose bytes are damaged
    black_hole_every_s: float
    black_hole_s: float
    reset_every_s: float
    gateway_crash_every_s: float
    gateway_down_s: float
    crash_in_steps: float  # how often a death waits for a step of a task instead of a time
    commit_fails: float
    commit_happened: float  # failed, but it is on the disk
    crash_at_commit: float
    disk_full_every_s: float
    disk_full_s: float
    restore_every_s: float
    server_crash_every_s: float
    server_down_s: float
    server_commit_fails: float
    server_dies_after_commit: float
    server_busy_every_s: float
    clock_step_every_s: float
    clock_set_after_s: float
    glitch: float
    silent_every_s: float
    silent_s: float
    redelivered: float  # an answer that a broker hands over once more when the gateway connects again
    reversal_every_s: float  # somebody decides that a use never was
    dies_sending: float  # the power goes while a batch that was just sent is under way
    exchanged_with_card: float  # who puts a card back changes the meter too
    copy_age_s: float  # of an old copy that is put back, on average; others are of two minutes


def draw(chance: Random, storm: str = "") -> Rates:
    """The rates of one world. `storm`: one of STORMS."""
    calm = _drawn(chance)
    return replace(calm, **{name: chance.choice(values) for name, values in STORMS.get(storm, {}).items()})


def _drawn(chance: Random) -> Rates:
    poll_ms = chance.choice((10_000, 15_000, 20_000))
    return Rates(
        poll_ms=poll_ms,
        flush_ms=chance.choice((5_000, 15_000, 30_000, 60_000)),
        seal_every_ms=chance.choice((60_000, 180_000, 300_000, 300_000)),
        heartbeat_ms=900_000,
        resend_ms=chance.choice((10_000, 30_000)),
        latency_s=chance.choice((0.02, 0.2, 2.0)),
        loss=_often(chance, 0.0, 0.01, 0.1, 0.3),
        twice=_often(chance, 0.0, 0.05, 0.2),
        bent=_often(chance, 0.0, 0.0, 0.02),
        black_hole_every_s=_often(chance, 0.0, HOUR_S, HOUR_S / 3),
        black_hole_s=chance.choice((60.0, 600.0, 2400.0)),
        reset_every_s=_often(chance, 0.0, 1200.0, 120.0),
        gateway_crash_every_s=_often(chance, 0.0, HOUR_S, 900.0, 240.0),
        gateway_down_s=chance.choice((1.0, 30.0, 300.0)),
        crash_in_steps=chance.choice((0.0, 0.5, 0.9)),
        commit_fails=_often(chance, 0.0, 0.0, 0.005, 0.05),
        commit_happened=_often(chance, 0.0, 0.0, 0.005, 0.05),
        crash_at_commit=_often(chance, 0.0, 0.002, 0.02),
        disk_full_every_s=_often(chance, 0.0, 0.0, HOUR_S),
        disk_full_s=chance.choice((120.0, 900.0)),
        restore_every_s=_often(chance, 0.0, 0.0, 0.0, HOUR_S, 1800.0, 900.0),
        server_crash_every_s=_often(chance, 0.0, HOUR_S, 600.0),
        server_down_s=chance.choice((1.0, 60.0, 600.0)),
        server_commit_fails=_often(chance, 0.0, 0.02),
        server_dies_after_commit=_often(chance, 0.0, 0.02, 0.1),
        server_busy_every_s=_often(chance, 0.0, 0.0, HOUR_S),
        clock_step_every_s=_often(chance, 0.0, 0.0, 1800.0),
        clock_set_after_s=chance.choice((5.0, 120.0, 1200.0)),
        glitch=_often(chance, 0.0, 0.0, 0.01),
        silent_every_s=_often(chance, 0.0, 0.0, 1200.0),
        silent_s=chance.choice((30.0, 300.0)),
        redelivered=_often(chance, 0.0, 0.2, 0.5),
        reversal_every_s=_often(chance, 0.0, 0.0, 1800.0),
        # in an order that leaves the seeds kept in `test_sim.py` the worlds they were
        dies_sending=_often(chance, 0.0, 0.1, 0.0),
        exchanged_with_card=_often(chance, 0.0, 0.8),
        copy_age_s=_often(chance, 2700.0, 900.0, 900.0),
    )
