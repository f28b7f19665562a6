"""`tallystick payout run | credits | refund | show | approve | file | sent | paid | cancel`.

It never moves money by itself: the bank does, from the file; what cannot be undone is asked for first.
"""

import argparse

from tallystick_cloud.commands.common import Commands, Options, ask, command, group
from tallystick_cloud.commands.run_steps import BankSteps
from tallystick_cloud.commands.run_words import (
    How,
    add_proposal,
    add_proposer,
    add_release,
    add_show,
    answered,
    common,
    numbered,
    proposal_of,
    yes,
)
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.money import decimal
from tallystick_cloud.payouts import report, service
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.credit import Credit, all_credits
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.payouts.service import approve_signed
from tallystick_cloud.settlement.payable import settled_lines

STEPS = BankSteps(
    service,
    approve_signed,
    How(report.as_json, report.as_text, "no payout run yet; next: tallystick payout run"),
    lambda run: f"{decimal(run.cents)} EUR to {many(len(run.payouts), 'payee')}",
)

CREDITS: How[Credit] = How(
    lambda one, _: report.credit_json(one), lambda one, _: report.credit_text(one), "nobody paid too much", "\n"
)


def add(commands: Commands) -> None:
    words = group(commands, "payout", "Payouts: propose a run, release it, write its bank file, say what became of it.")
    add_proposal(
        words,
        run,
        "Propose to pay what a collector owes, in whole cents; lists what is held back and why.",
        "  tallystick payout run --party 'Lindenhof eG' --on 2026-12-03 --data D\n"
        "  tallystick payout run --party 'Lindenhof eG' --on 2026-12-03 --idempotency-key november --json --data D\n",
        on="when the bank is to execute it",
        collector="who pays (default: the only one that owes anything)",
    )
    _add_refunds(words)
    add_show(
        words,
        STEPS.show,
        "Show one run or all: what is paid, what is held back, what is missing.",
        "  tallystick payout show --data D\n  tallystick payout show 1 --json --data D\n",
    )
    add_release(words, STEPS.approve, STEPS.write_file, "payout", "pain.001.001.09")
    _add_bank(words)


def _add_refunds(words: Commands) -> None:
    found = command(
        words,
        "credits",
        show_credits,
        "List what payers paid too much, and whether it can be paid back.",
        "  tallystick payout credits --data D\n  tallystick payout credits --json --data D\n",
    )
    common(found)
    found = command(
        words,
        "refund",
        refund,
        "Propose to pay back what payers paid too much, all of it in whole cents; released and sent like any run.",
        "  tallystick payout refund --to 'Ben Weiss' --party 'Lindenhof eG' --on 2026-12-03 --data D\n"
        "  tallystick payout refund --to 'Ben Weiss' --to 'Anna Rossi' --party 'Lindenhof eG' --on 2026-12-03 "
        "--idempotency-key refunds-november --json --data D\n",
    )
    found.add_argument("--to", required=True, action="append", metavar="NAME", help="a payer; again for another")
    add_proposer(found, on="when the bank is to execute it", collector="who pays (default: the only one they paid)")


def _add_bank(words: Commands) -> None:
    sent = numbered(
        words,
        "sent",
        STEPS.mark_sent,
        "Say that the bank has the file: the money is on its way in the books. Cannot be undone.",
        "  tallystick payout sent 1 --party 'Lindenhof eG' --yes --data D\n",
    )
    sent.add_argument("--party", required=True, metavar="NAME", help="who handed it in")
    yes(sent)
    paid = numbered(
        words,
        "paid",
        confirm,
        "Say what the bank did with all of a run or one payout of it. Cannot be undone.",
        "  tallystick payout paid 1 --yes --data D\n"
        "  tallystick payout paid 1 --returned --payout 9f3c... --yes --data D\n",
    )
    paid.add_argument("--returned", action="store_true", help="it came back: it is owed again")
    paid.add_argument("--payout", metavar="ID", help="one payout, by the id that `show` prints (default: all)")
    yes(paid)
    stopped = numbered(
        words,
        "cancel",
        STEPS.cancel,
        "End a run that no bank has seen; what it would have paid stays owed.",
        "  tallystick payout cancel 1 --party 'Lindenhof eG' --data D\n",
    )
    stopped.add_argument("--party", required=True, metavar="NAME", help="the collector or a manager")


def run(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        asked = proposal_of(parsed, options, name, ids)
        now_ms = options.clock.utc_ms()
        return options.database.write_now(
            lambda conn: service.propose(conn, name, asked, now_ms, settled_lines(conn, name))
        )

    return STEPS.told(parsed, act)


def show_credits(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Credit]:
        return options.database.read_now(all_credits, name, options.clock.utc_ms())

    return answered(parsed, act, CREDITS, is_list=True)


def refund(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        asked = proposal_of(parsed, options, name, ids)
        payers = [party_of(name, ids, one, "--to") for one in parsed.to]
        return options.database.write_now(service.propose_refunds, name, asked, payers, options.clock.utc_ms())

    return STEPS.told(parsed, act)


def confirm(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        outcome = Outcome.RETURNED if parsed.returned else Outcome.PAID
        which = None if parsed.payout is None else [_payout_id(options, name, parsed)]
        ask(parsed.yes, f"Book run {parsed.number} as {outcome.value}? This cannot be undone.")
        now_ms = options.clock.utc_ms()
        return options.database.write_now(service.confirm, name, parsed.number, outcome, now_ms, which)

    return STEPS.told(parsed, act)


def _payout_id(options: Options, name: str, parsed: argparse.Namespace) -> bytes:
    stands = options.database.read_now(service.show, name, parsed.number)
    found = [one.id for one in stands.payouts if one.id.hex().startswith(parsed.payout.lower())]
    if len(found) != 1:
        raise BadInput("--payout", f"{parsed.payout!r} is not one payout of run {parsed.number}; see `payout show`")
    return found[0]
