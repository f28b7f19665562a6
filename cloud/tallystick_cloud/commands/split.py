"""`tallystick split account | run | show | approve | file | sent | paid | in | cancel`: money that a provider splits.

It never moves money by itself: the payment provider does, from the file; what cannot be undone is asked for first.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tallystick_protocol.ids import sha256

from tallystick_cloud.commands.common import Commands, Options, ask, command, community_of, group, opened
from tallystick_cloud.commands.run_steps import Steps
from tallystick_cloud.commands.run_words import (
    How,
    add_proposal,
    add_show,
    answered,
    common,
    numbered,
    proposal_of,
    put_bank_file,
    yes,
)
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.money import decimal
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.runs.model import RunState
from tallystick_cloud.splits import report, service, store
from tallystick_cloud.splits.instructions import Format
from tallystick_cloud.splits.model import Outcome
from tallystick_cloud.splits.service import Run

STEPS = Steps(
    service,
    service.approve_signed,
    How(report.as_json, report.as_text, "no split run yet; next: tallystick split run"),
    lambda run: f"{decimal(run.cents)} EUR in {many(len(run.payments), 'payment')}",
    to="provider",
)
WHO = "the collector or a manager"


def add(commands: Commands) -> None:
    words = group(
        commands, "split", "Money that a payment provider collects and splits: instruct it, say what became of it."
    )
    _add_account(words)
    add_proposal(
        words,
        run,
        "Propose what the provider is to charge and pass on, in whole cents; lists what is held back and why.",
        "  tallystick split run --party 'Lindenhof eG' --on 2026-12-03 --data D\n"
        "  tallystick split run --party 'Lindenhof eG' --on 2026-12-03 --idempotency-key november --json --data D\n",
        on="when the provider is to charge",
        collector="whose contracts (default: the only one with a contract whose mode is psp)",
    )
    add_show(
        words,
        STEPS.show,
        "Show one run or all: who is charged, who gets it, what is held back, what became of it.",
        "  tallystick split show --data D\n  tallystick split show 1 --json --data D\n",
    )
    _add_release(words)
    _add_provider(words)


def _add_account(words: Commands) -> None:
    found = command(
        words,
        "account",
        account,
        "Say how the provider calls a party; without a name, list all.",
        "  tallystick split account 'Lindenhof eG' acct_1NvX7 --data D\n  tallystick split account --json --data D\n",
    )
    found.add_argument("name", nargs="?", metavar="NAME", help="of the party")
    found.add_argument("account", nargs="?", metavar="ID", help="its account or customer id at the provider")
    common(found)


def _add_release(words: Commands) -> None:
    found = numbered(
        words,
        "approve",
        STEPS.approve,
        "Release a run as its second person; the proposer can never do that.",
        "  tallystick split approve 1 --party 'Anna Rossi' --data D\n"
        "  tallystick split approve 1 --party 'Anna Rossi' --key anna.pem --yes --data D\n",
    )
    found.add_argument("--party", required=True, metavar="NAME", help="who says yes")
    found.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM (default: the hosted one)")
    yes(found)
    found = numbered(
        words,
        "file",
        write_file,
        "Write the instructions of a released run, as CSV or JSON by the file's name; again gives the same bytes.",
        "  tallystick split file 1 --out split-1.csv --data D\n  tallystick split file 1 --out split-1.json --data D\n",
    )
    found.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends with .csv or .json")


def _add_provider(words: Commands) -> None:
    for name, act, about, more in (
        ("sent", STEPS.mark_sent, "Say that the provider has the file. Cannot be undone.", ""),
        (
            "paid",
            tell,
            "Say what the provider did with all of a run, or one payment of it. Cannot be undone.",
            "  tallystick split paid 1 --party 'Lindenhof eG' --refused --payment 9f3c --yes --data D\n",
        ),
        ("cancel", STEPS.cancel, "End a run that no provider has seen; what it would have charged stays due.", ""),
    ):
        example = f"  tallystick split {name} 1 --party 'Lindenhof eG' --yes --data D\n{more}"
        found = numbered(words, name, act, about, example)
        found.add_argument("--party", required=True, metavar="NAME", help=WHO)
        if name == "paid":
            found.add_argument("--payment", metavar="NAME", help="one, by what `show` prints (default: all undecided)")
            which = found.add_mutually_exclusive_group()
            which.add_argument("--refused", action="store_true", help="not paid: the next run instructs it again")
            which.add_argument("--returned", action="store_true", help="it was paid, and the payer's bank took it back")
        yes(found)
    found = command(
        words,
        "in",
        take,
        "Take in the provider's file of outcomes: CSV with columns payment and outcome (paid, refused, returned).",
        "  tallystick split in outcomes.csv --party 'Lindenhof eG' --data D\n"
        "  tallystick split in outcomes.csv --party 'Lindenhof eG' --json --data D\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="CSV as the provider gives it")
    found.add_argument("--party", required=True, metavar="NAME", help=WHO)
    common(found)


def account(parsed: argparse.Namespace) -> int:
    if parsed.name is not None and parsed.account is None:
        raise BadInput("ID", f"is missing: write how the provider calls {parsed.name!r} behind the name")
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = options.database.read_now(ids_by_name, name)
        if parsed.name is not None:
            party, now_ms = party_of(name, ids, parsed.name), options.clock.utc_ms()
            options.database.write_now(service.set_account, name, party, parsed.account, now_ms)
        kept = options.database.read_now(store.accounts, name)
    finally:
        options.database.close()
    listed = sorted((label, kept[party]) for label, party in ids.items() if party in kept)
    if parsed.json:
        print(json.dumps([{"party": label, "account": one} for label, one in listed], indent=1))
    else:
        none = "no account yet; next: tallystick split account NAME ID"
        print("\n".join(f"{one}  {label}" for label, one in listed) or none)
    return 0


def run(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        asked = proposal_of(parsed, options, name, ids)
        return options.database.write_now(service.propose, name, asked, options.clock.utc_ms())

    return STEPS.told(parsed, act)


def write_file(parsed: argparse.Namespace) -> int:
    form = parsed.out.suffix.removeprefix(".").lower()
    if form not in list(Format):
        raise BadInput("--out", f"{parsed.out} ends with neither .csv nor .json; name the format by the file's end")

    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        now_ms = options.clock.utc_ms()

        def write() -> bytes:
            return options.database.write_now(service.file, name, parsed.number, Format(form), now_ms)

        stands = options.database.read_now(service.show, name, parsed.number)
        was_written = stands.stored.state not in (RunState.PROPOSED, RunState.APPROVED, RunState.CANCELLED)
        known = sha256(write()) if was_written and parsed.out.exists() else None
        put_bank_file(parsed.out, known, write)
        return options.database.read_now(service.show, name, parsed.number)

    return STEPS.told(parsed, act)


def tell(parsed: argparse.Namespace) -> int:
    outcome = Outcome.REFUSED if parsed.refused else Outcome.RETURNED if parsed.returned else Outcome.PAID

    def act(options: Options, name: str, ids: dict[str, bytes]) -> Run:
        party, now_ms = party_of(name, ids, parsed.party), options.clock.utc_ms()
        what = "all that is undecided" if parsed.payment is None else f"payment {parsed.payment}"
        ask(parsed.yes, f"Book {what} of run {parsed.number} as {outcome.value}? This cannot be undone.")
        return options.database.write_now(
            service.tell_named, name, parsed.number, outcome, parsed.payment, party, now_ms
        )

    return STEPS.told(parsed, act)


def take(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> Sequence[Run]:
        party = party_of(name, ids, parsed.party)
        try:
            data = parsed.file.read_bytes()
        except OSError as error:
            raise BadInput("FILE", f"{parsed.file} cannot be read: {error.strerror}") from error
        return options.database.write_now(service.take, name, data, party, options.clock.utc_ms())

    return answered(parsed, act, STEPS.how, is_list=True)
