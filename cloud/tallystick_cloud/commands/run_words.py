"""What the commands of payout and debit runs share: words of the command line, days, and the bank file on disk.

It never overwrites a file that is not the run's own.
"""

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path

from tallystick_protocol.ids import sha256

from tallystick_cloud.commands.common import Commands, command
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import write_private


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


def put_bank_file(path: Path, file_hash: bytes | None, write: Callable[[], bytes]) -> None:
    """The run's file at `path`, 0600, for it names people's bank accounts; raises BadInput when another is there."""
    is_there = path.exists()
    if is_there and (not path.is_file() or sha256(path.read_bytes()) != file_hash):
        raise BadInput("--out", f"{path} exists and is not this run's file; name another")
    data = write()
    if not is_there:
        write_private(path, data)
