"""The steps that runs of payouts, debits and splits have alike on the command line: show, approve, file, sent, cancel.

It never decides whether a step may be done: the service of that kind of run does.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

from tallystick_cloud.commands.common import Options, ask
from tallystick_cloud.commands.run_words import How, answered, put_bank_file
from tallystick_cloud.commands.signing import party_of, signed_yes
from tallystick_cloud.context import Context


class Stored(Protocol):
    """What these steps read of a run's row."""

    @property
    def id(self) -> bytes: ...


class WithFile(Stored, Protocol):
    """A row of a run that a bank has."""

    @property
    def file_hash(self) -> bytes | None: ...


class AnyRun(Protocol):
    """A run of any kind."""

    @property
    def stored(self) -> Stored: ...


class BankRun(Protocol):
    """A run that a bank has."""

    @property
    def stored(self) -> WithFile: ...


R = TypeVar("R", bound=AnyRun)
B = TypeVar("B", bound=BankRun)


class Service(Protocol[R]):
    """The use cases of one kind of run; `payouts.service`, `debits.service` and `splits.service` are such."""

    def show(self, conn: Connection, community: str, number: int) -> R: ...
    def show_all(self, conn: Connection, community: str) -> list[R]: ...
    def mark_sent(self, conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> R: ...
    def cancel(self, conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> R: ...


class BankService(Service[B], Protocol[B]):
    """The use cases of runs whose file a bank takes."""

    def bank_file(self, conn: Connection, community: str, number: int, now_ms: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Steps(Generic[R]):
    """`approve_signed` takes a signed yes; `summary`: what a release moves, such as 12.50 EUR to 3 payees; `to`: who
    gets its file."""

    service: Service[R]
    approve_signed: Callable[[Connection, Context, bytes, int], R]
    how: How[R]
    summary: Callable[[R], str]
    to: str = "bank"

    def show(self, parsed: argparse.Namespace) -> int:
        """One run, or all."""

        def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[R]:
            if parsed.number is None:
                return options.database.read_now(self.service.show_all, name)
            return [options.database.read_now(self.service.show, name, parsed.number)]

        return answered(parsed, act, self.how, is_list=parsed.number is None)

    def approve(self, parsed: argparse.Namespace) -> int:
        """The signed yes of a second person."""

        def act(options: Options, name: str, ids: dict[str, bytes]) -> R:
            party = party_of(name, ids, parsed.party)
            stands = options.database.read_now(self.service.show, name, parsed.number)
            ask(parsed.yes, f"Release run {parsed.number}: {self.summary(stands)}?")
            signed = signed_yes(options, name, parsed.party, party, parsed.key, stands.stored.id)
            context, now_ms = options.aggregator.of(name), options.clock.utc_ms()
            return options.database.write_now(self.approve_signed, context, signed, now_ms)

        return self.told(parsed, act)

    def mark_sent(self, parsed: argparse.Namespace) -> int:
        """The bank, or the provider, has the file."""

        def act(options: Options, name: str, ids: dict[str, bytes]) -> R:
            party = party_of(name, ids, parsed.party)
            ask(parsed.yes, f"Does the {self.to} have the file of run {parsed.number}? This cannot be undone.")
            now_ms = options.clock.utc_ms()
            return options.database.write_now(self.service.mark_sent, name, parsed.number, party, now_ms)

        return self.told(parsed, act)

    def cancel(self, parsed: argparse.Namespace) -> int:
        """The end of a run that nobody outside has seen; asks where the command knows `--yes`."""

        def act(options: Options, name: str, ids: dict[str, bytes]) -> R:
            party = party_of(name, ids, parsed.party)
            ask(getattr(parsed, "yes", True), f"End run {parsed.number}?")
            return options.database.write_now(self.service.cancel, name, parsed.number, party, options.clock.utc_ms())

        return self.told(parsed, act)

    def told(self, parsed: argparse.Namespace, act: Callable[[Options, str, dict[str, bytes]], R]) -> int:
        """Do it, and print the one run that it is about."""
        return answered(parsed, lambda options, name, ids: [act(options, name, ids)], self.how)


@dataclass(frozen=True, slots=True)
class BankSteps(Steps[B]):
    """The same of runs whose file a bank takes."""

    service: BankService[B]

    def write_file(self, parsed: argparse.Namespace) -> int:
        """The bank file, at the path that was asked for."""

        def act(options: Options, name: str, ids: dict[str, bytes]) -> B:
            stands = options.database.read_now(self.service.show, name, parsed.number)
            now_ms = options.clock.utc_ms()
            put_bank_file(
                parsed.out,
                stands.stored.file_hash,
                lambda: options.database.write_now(self.service.bank_file, name, parsed.number, now_ms),
            )
            return options.database.read_now(self.service.show, name, parsed.number)

        return self.told(parsed, act)
