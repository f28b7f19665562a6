"""The agent's exceptions, one per cause; every message names what was seen and what to do next.
Nothing here is raised for a silent meter: that is a `Fault`, not an error."""

from __future__ import annotations


class EdgeError(Exception):
    """Base of everything the agent refuses or fails at."""


class ConfigError(EdgeError):
    """A configuration or claim file is unusable. `str()` is "file: key: reason. Next: step"."""

    def __init__(self, file: str, key: str, reason: str, step: str) -> None:
        super().__init__(f"{file}: {key}: {reason}. Next: {step}")
        self.file = file
        self.key = key
        self.reason = reason
        self.step = step


class JournalError(EdgeError):
    """The journal could not be opened, read or made durable; the agent must reopen it before going on."""


class JournalFull(JournalError):
    """The disk (or the journal's own limit) is full; nothing of the flush was kept."""


class RepairError(EdgeError):
    """A damaged journal that cannot be gone on from, or not now; nothing was changed."""

    def __init__(self, reason: str, step: str) -> None:
        super().__init__(f"{reason}. Next: {step}")


class EnrolmentError(EdgeError):
    """The aggregator (or the claim) did not let this gateway in; the message carries the remedy."""


class UplinkError(EdgeError):
    """A connection failed or was refused; the uplink backs off and tries again, nothing is lost."""


class InvariantError(RuntimeError):
    """A state that cannot be: a bug in the agent, never bad input."""
