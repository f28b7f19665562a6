"""`tallystick debit run | show | approve | file | sent | rejected | cancel`: dues collected by direct debit.

It never books: the bank's statement does, taken in with `tallystick bank in`.
"""

import argparse

from tallystick_cloud.commands.common import Commands, Options, ask, group
from tallystick_cloud.commands.run_steps import BankSteps
from tallystick_cloud.commands.run_words import How, add_proposal, add_release, add_show, numbered, proposal_of, yes
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.counts import many
from tallystick_cloud.debits import report, service
from tallystick_cloud.debits.service import Run
from tallystick_cloud.money import decimal
from tallystick_cloud.settlement.payable import unsettled_fees

STEPS = BankSteps(
    service,
    service.approve_signed,
    How(report.as_json, report.as_text, "no debit run yet; next: tallystick debit run"),
    lambda run: f"{decimal(run.cents)} EUR from {many(len(run.debits), 'payer')}",
)


def add(commands: Commands) -> None:
    words = group(commands, "debit", "Direct debits: propose a run, release it, write its bank file.")
    add_proposal(
        words,
        run,
        "Propose to collect what is due, from everybody with a mandate; lists what is held back and why.",
        "  tallystick debit run --party 'Lindenhof eG' --on 2026-12-17 --data D\n"
        "  tallystick debit run --party 'Lindenhof eG' --on 2026-12-17 --idempotency-key november --json --data D\n",
        on="when the bank is to collect",
        collector="who collects (default: the only one anything is due to)",
    )
    add_show(
        words,
        STEPS.show,
        "Show one run or all: what is collected, what is held back, what became of it.",
        "  tallystick debit show --data D\n  tallystick debit show 1 --json --data D\n",
    )
    add_release(words, STEPS.approve, STEPS.write_file, "debit", "pain.008.001.08")
    _add_bank(words)


def _add_bank(words: Commands) -> None:
    for name, act, about in (
        ("sent", STEPS.mark_sent, "Say that the bank has the file. Cannot be undone."),
        ("rejected", reject, "Say that the bank collects a debit, or what is left of a run, no more: due again."),
        ("cancel", STEPS.cancel, "End a run that no bank has seen; what it would have collected stays due."),
    ):
        found = numbered(
            words, name, act, about, f"  tallystick debit {name} 1 --party 'Lindenhof eG' --yes --data D\n"
        )
        found.add_argument("--party", required=True, metavar="NAME", help="the collector or a manager")
        if name == "rejected":
            found.add_argument("--debit", metavar="ID", help="one debit, by the id that `show` prints (default: all)")
        yes(found)


def run(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        asked = proposal_of(parsed, options, name, ids)
        now_ms = options.clock.utc_ms()
        return options.database.write_now(
            lambda conn: service.propose(conn, name, asked, now_ms, unsettled_fees(conn, name))
        )

    return STEPS.told(parsed, act)


def reject(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        party = party_of(name, ids, parsed.party)
        ask(parsed.yes, f"Will the bank collect this of run {parsed.number} no more? This cannot be undone.")
        now_ms = options.clock.utc_ms()
        return options.database.write_now(service.reject, name, parsed.number, party, now_ms, parsed.debit)

    return STEPS.told(parsed, act)
