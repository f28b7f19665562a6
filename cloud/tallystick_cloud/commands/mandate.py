"""`tallystick mandate add | list | revoke`: payers' leave to collect from their accounts.

It never invents a mandate: what is added here was signed on paper or at a bank before.
"""

import argparse

from tallystick_cloud.commands.common import Commands, Options, ask, command, group
from tallystick_cloud.commands.run_words import How, answered, common, day_of, yes
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.debits import mandates, report
from tallystick_cloud.debits.mandate import NOTICE_DAYS, NewMandate, SequenceType
from tallystick_cloud.debits.mandates import Shown
from tallystick_cloud.payouts.pain import BankParty

HOW = How(report.mandate_json, report.mandate_text, "no mandate yet; next: tallystick mandate add", "\n")


def add(commands: Commands) -> None:
    words = group(commands, "mandate", "Mandates: a payer's signed leave to collect by direct debit.")
    found = command(
        words,
        "add",
        add_mandate,
        "Keep a signed mandate; one stands per payer and collector, and the same again changes nothing.",
        "  tallystick mandate add --payer 'Ahmed Haddad' --collector 'Casa Aurora' --reference AURORA-7 \\\n"
        "    --iban 'AT61 1904 3002 3457 3201' --signed 2026-10-01 --creditor-id DE98ZZZ09999999999 --data D\n",
    )
    found.add_argument("--payer", required=True, metavar="NAME", help="whose dues are collected")
    found.add_argument("--collector", required=True, metavar="NAME", help="who collects")
    found.add_argument("--iban", required=True, metavar="IBAN", help="the account to collect from")
    found.add_argument("--holder", metavar="NAME", help="name on that account (default: the payer's)")
    found.add_argument("--reference", required=True, metavar="TEXT", help="of the mandate, at most 35 characters")
    found.add_argument("--creditor-id", required=True, metavar="ID", help="the collector's, as on the mandate")
    found.add_argument("--signed", required=True, metavar="YYYY-MM-DD", help="when it was signed")
    found.add_argument(
        "--sequence",
        type=SequenceType,
        choices=list(SequenceType),
        default=SequenceType.FIRST,
        metavar="FRST|RCUR",
        help="of the first collection made here (default: FRST)",
    )
    found.add_argument("--last-used", metavar="YYYY-MM-DD", help="last collection before, for a mandate brought along")
    found.add_argument(
        "--notice-days",
        type=int,
        default=NOTICE_DAYS,
        metavar="N",
        help=f"how long before a collection the payer is told (default: {NOTICE_DAYS})",
    )
    common(found)
    found = command(
        words,
        "list",
        list_mandates,
        "List mandates with how they stand; one that was not used for 36 months is dormant.",
        "  tallystick mandate list --data D\n  tallystick mandate list --json --data D\n",
    )
    common(found)
    found = command(
        words,
        "revoke",
        revoke,
        "End a mandate. Cannot be undone; a debit that the bank has goes on.",
        "  tallystick mandate revoke AURORA-7 --yes --data D\n",
    )
    found.add_argument("reference", metavar="REFERENCE", help="of the mandate, as `tallystick mandate list` shows it")
    yes(found)
    common(found)


def add_mandate(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Shown]:
        asked = NewMandate(
            party_of(name, ids, parsed.collector),
            party_of(name, ids, parsed.payer),
            parsed.reference,
            parsed.creditor_id,
            BankParty(parsed.holder or parsed.payer, parsed.iban),
            day_of("--signed", parsed.signed),
            parsed.sequence,
            None if parsed.last_used is None else day_of("--last-used", parsed.last_used),
            parsed.notice_days,
        )
        return [options.database.write_now(mandates.add, name, asked, options.clock.utc_ms())]

    return answered(parsed, act, HOW)


def list_mandates(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Shown]:
        return options.database.read_now(mandates.show_all, name, options.clock.utc_ms())

    return answered(parsed, act, HOW, is_list=True)


def revoke(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Shown]:
        ask(parsed.yes, f"End mandate {parsed.reference}? This cannot be undone.")
        return [options.database.write_now(mandates.revoke, name, parsed.reference, options.clock.utc_ms())]

    return answered(parsed, act, HOW)
