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

from tallystick_cloud.commands.common import Commands, Options, command, community_of, opened
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import write_private
from tallystick_cloud.parties.store import ids_by_name

T = TypeVar("T")
Act = Callable[[Options, str, dict[str, bytes]], Sequence[T]]
"""What a command does in a community, whose parties are named."""


@dataclass(frozen=True, slots=True)
class How(Generic[T]):
    """How one of the things that a command answers with is told; `empty`: when there is none."""

    as_json: Callable[[T, Mapping[bytes, str]], object]
    as_text: Callable[[T, Mapping[bytes, str]], str]
    empty: str
    between: str = "\n\n"


def numbered(
    words: Commands, name: str, act: Callable[[argparse.Namespace], int], about: str, examples: str
) -> argparse.ArgumentParser:
    """A subcommand about one run."""
    found = command(words, name, act, about, examples)
    found.add_argument("number", type=int, metavar="RUN")
    common(found)
    return found


def common(found: argparse.ArgumentParser) -> None:
    found.add_argument("--community", metavar="ID")
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
