"""A PostgreSQL cluster of our own for tests, on a free port of the loopback address, gone afterwards.

It never touches a cluster that it did not start.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

REQUIRED = "TALLYSTICK_REQUIRE_SERVICES"
START_TIMEOUT_S = 60


def binaries() -> Path | None:
    """The newest installed server's folder, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def required() -> bool:
    return os.environ.get(REQUIRED) == "1"


def _as_postgres(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]}: {done.stdout}{done.stderr}")


@contextmanager
def cluster() -> Iterator[str]:
    """Yields postgresql://postgres@127.0.0.1:PORT ; fsync stays on, as in production."""
    folder = binaries()
    if folder is None:
        raise RuntimeError("no PostgreSQL server under /usr/lib/postgresql")
    home = Path(tempfile.mkdtemp(prefix="tallystick-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data, port = home / "data", _free_port()
    try:
        _run(
            _as_postgres([str(folder / "initdb"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D", str(data)]), home
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
        log = str(home / "log")
        _run(_as_postgres([str(folder / "pg_ctl"), "-w", "-D", str(data), "-l", log, "-o", options, "start"]), home)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            _run(_as_postgres([str(folder / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]), home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def database(server: str) -> Iterator[str]:
    """A fresh empty database on that server; yields its URL."""
    name = f"t{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield f"{server}/{name}"
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
            conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
