"""What the commands of payouts, debits, mandates and bills share: words, days, answers, and the bank file on disk.

It never overwrites a file that is not the run's own.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Generic, TypeVar

from tallystick_protocol.ids import sha256

from tallystick_cloud.commands.common import Commands, Options, add_community, command, community_of, opened
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import write_private
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.runs.model import Proposal

T = TypeVar("T")
Act = Callable[[Options, str, dict[str, bytes]], Sequence[T]]
"""What a command does in a community, whose parties are named."""

Run = Callable[[argparse.Namespace], int]
KEY_BYTES = 8


@dataclass(frozen=True, slots=True)
class How(Generic[T]):
    """How one of the things that a command answers with is told; `empty`: when there is none."""

    as_json: Callable[[T, Mapping[bytes, str]], object]
    as_text: Callable[[T, Mapping[bytes, str]], str]
    empty: str
    between: str = "\n\n"


def numbered(words: Commands, name: str, act: Run, about: str, examples: str) -> argparse.ArgumentParser:
    """A subcommand about one run."""
    found = command(words, name, act, about, examples)
    found.add_argument("number", type=int, metavar="RUN", help="number of the run, as `show` lists it")
    common(found)
    return found


def add_proposal(words: Commands, act: Run, about: str, examples: str, on: str, collector: str) -> None:
    """`run`; `on` and `collector` say what these two mean here."""
    add_proposer(command(words, "run", act, about, examples), on, collector)


def add_proposer(found: argparse.ArgumentParser, on: str, collector: str) -> None:
    """What every proposal of a run says: by whom, for which day and collector, and its idempotency key."""
    found.add_argument("--party", required=True, metavar="NAME", help="who proposes: the collector or a manager")
    found.add_argument("--on", required=True, metavar="YYYY-MM-DD", help=on)
    found.add_argument("--collector", metavar="NAME", help=collector)
    found.add_argument("--idempotency-key", metavar="TEXT", help="the same again is the same run")
    common(found)


def proposal_of(parsed: argparse.Namespace, options: Options, name: str, ids: Mapping[str, bytes]) -> Proposal:
    """What `run` asks for."""
    collector = None if parsed.collector is None else party_of(name, ids, parsed.collector)
    key = parsed.idempotency_key or options.entropy.bytes(KEY_BYTES).hex()
    return Proposal(key, party_of(name, ids, parsed.party), collector, day_of("--on", parsed.on))


def add_show(words: Commands, act: Run, about: str, examples: str) -> None:
    """`show`, of one run or all."""
    found = command(words, "show", act, about, examples)
    found.add_argument("number", type=int, nargs="?", metavar="RUN", help="number of the run; without one, all")
    common(found)


def add_release(words: Commands, approve: Run, write: Run, word: str, message: str) -> None:
    """`approve` and `file`; `word`: of the group, such as payout."""
    found = numbered(
        words,
        "approve",
        approve,
        "Release a run as its second person; the proposer can never do that.",
        f"  tallystick {word} approve 1 --party 'Anna Rossi' --data D\n"
        f"  tallystick {word} approve 1 --party 'Anna Rossi' --key anna.pem --yes --data D\n",
    )
    found.add_argument("--party", required=True, metavar="NAME", help="who says yes")
    found.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM (default: the hosted one)")
    yes(found)
    found = numbered(
        words,
        "file",
        write,
        f"Write the bank file of a released run ({message}); again gives the same bytes.",
        f"  tallystick {word} file 1 --out {word}-1.xml --data D\n",
    )
    found.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the file to write; another is never overwritten"
    )


def common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def yes(found: argparse.ArgumentParser) -> None:
    found.add_argument("--yes", action="store_true", help="do not ask")


def day_of(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(field, f"is {text!r}; write YYYY-MM-DD") from None


def answered(parsed: argparse.Namespace, act: Act[T], how: How[T], *, is_list: bool = False) -> int:
    """Open the folder, act, and print what came of it: as JSON (a list, or the one thing) or in words."""
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = options.database.read_now(ids_by_name, name)
        found = act(options, name, ids)
    finally:
        options.database.close()
    names = {party: label for label, party in ids.items()}
    if parsed.json:
        told = [how.as_json(one, names) for one in found]
        print(json.dumps(told if is_list else told[0], indent=1))
    else:
        print(how.between.join(how.as_text(one, names) for one in found) or how.empty)
    return 0


def put_bank_file(path: Path, file_hash: bytes | None, write: Callable[[], bytes]) -> None:
    """The run's file at `path`, 0600, for it names people's bank accounts; raises BadInput when another is there."""
    is_there = path.exists()
    if is_there and (not path.is_file() or sha256(path.read_bytes()) != file_hash):
        raise BadInput("--out", f"{path} exists and is not this run's file; name another")
    data = write()
    if not is_there:
        write_private(path, data)
