"""The use cases that every kind of run has: `payouts.service`, `debits.service` and `splits.service` are such.

It never does any of them: each kind checks, books and refuses in its own words.
"""

from typing import Protocol, TypeVar

from sqlalchemy import Connection

from .model import AnyRun, StoredRun


class WithFile(StoredRun, Protocol):
    """A row of a run that a bank has."""

    @property
    def file_hash(self) -> bytes | None: ...


class BankRun(AnyRun, Protocol):
    """A run that a bank has."""

    @property
    def stored(self) -> WithFile: ...


R = TypeVar("R", bound=AnyRun)
B = TypeVar("B", bound=BankRun)


class RunService(Protocol[R]):
    """Each raises CloudError and then has changed nothing; a step done twice changes nothing the second time."""

    def show(self, conn: Connection, community: str, number: int) -> R: ...
    def show_all(self, conn: Connection, community: str) -> list[R]: ...
    def approve(self, conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> R: ...
    def mark_sent(self, conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> R: ...
    def cancel(self, conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> R: ...


class BankService(RunService[B], Protocol[B]):
    """The use cases of runs whose file a bank takes."""

    def bank_file(self, conn: Connection, community: str, number: int, now_ms: int) -> bytes: ...
