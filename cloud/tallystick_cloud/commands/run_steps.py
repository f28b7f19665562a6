"""The steps that runs of payouts, debits and splits have alike on the command line: show, approve, file, sent, cancel.

It never decides whether a step may be done: the service of that kind of run does.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from sqlalchemy import Connection

from tallystick_cloud.commands.common import Options, ask
from tallystick_cloud.commands.run_words import How, answered, put_bank_file
from tallystick_cloud.commands.signing import party_of, signed_yes
from tallystick_cloud.context import Context
from tallystick_cloud.runs.service import B, BankService, R, RunService


@dataclass(frozen=True, slots=True)
class Steps(Generic[R]):
    """`approve_signed` takes a signed yes; `summary`: what a release moves, such as 12.50 EUR to 3 payees; `to`: who
    gets its file."""

    service: RunService[R]
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
