"""`tallystick debit run | show | approve | file | sent | rejected | cancel`: dues collected by direct debit.

It never books: the bank's statement does, taken in with `tallystick bank in`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from tallystick_cloud.commands.common import Commands, Options, ask, command, group
from tallystick_cloud.commands.run_words import How, answered, common, day_of, numbered, put_bank_file, yes
from tallystick_cloud.commands.signing import party_of, signed_yes
from tallystick_cloud.debits import report, service
from tallystick_cloud.debits.service import Run
from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts.service import Proposal
from tallystick_cloud.settlement.payable import unsettled_fees

KEY_BYTES = 8

HOW = How(report.as_json, report.as_text, "no debit run yet; next: tallystick debit run")


def add(commands: Commands) -> None:
    words = group(commands, "debit", "Direct debits: propose a run, release it, write its bank file.")
    found = command(
        words,
        "run",
        run,
        "Propose to collect what is due, from everybody with a mandate; lists what is held back and why.",
        "  tallystick debit run --party 'Lindenhof eG' --on 2026-12-17 --data D\n"
        "  tallystick debit run --party 'Lindenhof eG' --on 2026-12-17 --idempotency-key november --json --data D\n",
    )
    found.add_argument("--party", required=True, metavar="NAME", help="who proposes: the collector or a manager")
    found.add_argument("--on", required=True, metavar="YYYY-MM-DD", help="when the bank is to collect")
    found.add_argument("--collector", metavar="NAME", help="who collects (default: the only one anything is due to)")
    found.add_argument("--idempotency-key", metavar="TEXT", help="the same again is the same run")
    common(found)
    found = command(
        words,
        "show",
        show,
        "Show one run or all: what is collected, what is held back, what became of it.",
        "  tallystick debit show --data D\n  tallystick debit show 1 --json --data D\n",
    )
    found.add_argument("number", type=int, nargs="?", metavar="RUN")
    common(found)
    found = numbered(
        words,
        "approve",
        approve,
        "Release a run as its second person; the proposer can never do that.",
        "  tallystick debit approve 1 --party 'Anna Rossi' --data D\n",
    )
    found.add_argument("--party", required=True, metavar="NAME", help="who says yes: a manager or the collector")
    found.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM (default: the hosted one)")
    yes(found)
    found = numbered(
        words,
        "file",
        write_file,
        "Write the bank file of a released run (pain.008.001.08); again gives the same bytes.",
        "  tallystick debit file 1 --out debit-1.xml --data D\n",
    )
    found.add_argument("--out", type=Path, required=True, metavar="FILE")
    _add_bank(words)


def _add_bank(words: Commands) -> None:
    for name, act, about in (
        ("sent", mark_sent, "Say that the bank has the file. Cannot be undone."),
        ("rejected", reject, "Say that the bank collects a debit, or what is left of a run, no more: due again."),
        ("cancel", cancel, "End a run that no bank has seen; what it would have collected stays due."),
    ):
        found = numbered(
            words, name, act, about, f"  tallystick debit {name} 1 --party 'Lindenhof eG' --yes --data D\n"
        )
        found.add_argument("--party", required=True, metavar="NAME", help="the collector or a manager")
        if name == "rejected":
            found.add_argument("--debit", metavar="ID", help="one debit, by the id that `show` prints (default: all)")
        yes(found)


def run(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        collector = None if parsed.collector is None else party_of(name, ids, parsed.collector)
        key = parsed.idempotency_key or options.entropy.bytes(KEY_BYTES).hex()
        asked = Proposal(key, party_of(name, ids, parsed.party), collector, day_of("--on", parsed.on))
        now_ms = options.clock.utc_ms()

        def propose(conn: Connection) -> Run:
            return service.propose(conn, name, asked, now_ms, unsettled_fees(conn, name))

        return [options.database.write_now(propose)]

    return answered(parsed, act, HOW)


def show(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        if parsed.number is None:
            return options.database.read_now(service.show_all, name)
        return [options.database.read_now(service.show, name, parsed.number)]

    return answered(parsed, act, HOW, is_list=parsed.number is None)


def approve(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        party = party_of(name, ids, parsed.party)
        stands = options.database.read_now(service.show, name, parsed.number)
        what = f"{epc.decimal(stands.cents)} EUR from {len(stands.debits)} payers"
        ask(parsed.yes, f"Release run {parsed.number}: {what}?")
        signed = signed_yes(options, name, parsed.party, party, parsed.key, stands.stored.id)
        context, now_ms = options.aggregator.of(name), options.clock.utc_ms()
        return [options.database.write_now(service.approve_signed, context, signed, now_ms)]

    return answered(parsed, act, HOW)


def write_file(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        stands = options.database.read_now(service.show, name, parsed.number)
        now_ms = options.clock.utc_ms()
        put_bank_file(
            parsed.out,
            stands.stored.file_hash,
            lambda: options.database.write_now(service.bank_file, name, parsed.number, now_ms),
        )
        return [options.database.read_now(service.show, name, parsed.number)]

    return answered(parsed, act, HOW)


def mark_sent(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        party = party_of(name, ids, parsed.party)
        ask(parsed.yes, f"Does the bank have the file of run {parsed.number}? This cannot be undone.")
        return [options.database.write_now(service.mark_sent, name, parsed.number, party, options.clock.utc_ms())]

    return answered(parsed, act, HOW)


def reject(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        party = party_of(name, ids, parsed.party)
        ask(parsed.yes, f"Will the bank collect this of run {parsed.number} no more? This cannot be undone.")
        now_ms = options.clock.utc_ms()
        return [options.database.write_now(service.reject, name, parsed.number, party, now_ms, parsed.debit)]

    return answered(parsed, act, HOW)


def cancel(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        party = party_of(name, ids, parsed.party)
        ask(parsed.yes, f"End run {parsed.number}?")
        return [options.database.write_now(service.cancel, name, parsed.number, party, options.clock.utc_ms())]

    return answered(parsed, act, HOW)
