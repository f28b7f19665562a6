"""Processes for uploads whose answers nobody can use: what each does instead is in the upload that it is given.

They run in place of `worker.work`, through a real pipe, and then go on: whoever asked has to end them.
"""

import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe

from tallystick_cloud.context import Directory
from tallystick_cloud.ingest.group import Sent


def work(pipe: Pipe, url: str, directory: Directory) -> None:
    pipe.send(None)
    group: Sequence[Sent] = pipe.recv()
    odd = ODD.get(group[0].upload)
    if odd is None:
        _commit(url, directory, group)
        odd = _unknown
    odd(pipe)
    with suppress(EOFError):
        pipe.recv()


def mortal(pipe: Pipe, url: str, directory: Directory) -> None:
    """Works as a real one does, and dies over a group with a deadly upload."""
    from tallystick_cloud.db import Database
    from tallystick_cloud.ingest.worker import taken

    database = Database(url)
    pipe.send(None)
    with suppress(EOFError):
        while True:
            group: Sequence[Sent] = pipe.recv()
            if any(one.upload.startswith(DEADLY) for one in group):
                os._exit(1)
            pipe.send(taken(database, directory, group))
    database.close()


def _commit(url: str, directory: Directory, group: Sequence[Sent]) -> None:
    from tallystick_cloud.db import Database
    from tallystick_cloud.ingest.worker import taken

    database = Database(url)
    assert isinstance(taken(database, directory, group), list)
    database.close()


def _unknown(pipe: Pipe) -> None:
    """A class that only the process knows."""
    pipe.send_bytes(b"cof_another_release\nOutcome\n.")


def _broken(pipe: Pipe) -> None:
    pipe.send_bytes(b"\x80\x05never a pickle")


def _half(pipe: Pipe) -> None:
    """Dies in the middle of its answer."""
    os.write(pipe.fileno(), struct.pack("!i", 1_000) + b"half of it")
    os._exit(1)


def _too_few(pipe: Pipe) -> None:
    pipe.send([])


def _silent(pipe: Pipe) -> None:
    """Stands still."""


SILENT = b"silent"
DEADLY = b"deadly"
ODD: dict[bytes, Callable[[Pipe], None]] = {b"broken": _broken, b"half": _half, b"too few": _too_few, SILENT: _silent}
"""What stands for an upload, and what it makes the process do. A real upload is committed, and never told so."""
