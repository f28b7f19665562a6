"""The process that takes groups of uploads in, one after the other, until nobody asks any more.

It holds no key: it never signs a receipt, and what it says counts only after its commit.
"""

import logging
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe

from tallystick_cloud import garbage
from tallystick_cloud.context import Directory
from tallystick_cloud.db import Database

from .faults import is_of_content
from .group import Sent, ingest_group
from .outcome import Outcome


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing of a group was written. `of_content`: one of its uploads is why, and none of the others.

    `no_answer`: its process ended over it, and nobody knows whether anything was written.
    """

    of_content: bool
    text: str
    no_answer: bool = False


Taken = list[Outcome | None] | Fault


def work(pipe: Pipe, url: str, directory: Directory) -> None:
    """Answers each group that comes through the pipe; ends when its other end is closed, at the latest with the server.

    Signals that end a server go to all of its processes: this one ends after its group, when the server does.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = Database(url)
    garbage.settle()
    try:
        pipe.send(None)
        while True:
            pipe.send(taken(database, directory, pipe.recv()))
    except (EOFError, BrokenPipeError):
        database.close()


def taken(database: Database, directory: Directory, group: Sequence[Sent]) -> Taken:
    try:
        return database.write_now(ingest_group, directory, group)
    except Exception as error:  # the exception itself may not come through a pipe in one piece
        return fault_of(error)


def fault_of(error: Exception) -> Fault:
    """In one line: those of SQLAlchemy go on with the statement and its values, which belong in no log."""
    first, *_ = str(error).splitlines() or [""]
    return Fault(is_of_content(error), f"{type(error).__name__}: {first}")
