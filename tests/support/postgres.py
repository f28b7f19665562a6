"""A PostgreSQL cluster of our own for tests, on a free port of the loopback address, gone afterwards.

It never touches a cluster that it did not start.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from tallystick_sim.ports import any_free

REQUIRED = "TALLYSTICK_REQUIRE_SERVICES"
START_TIMEOUT_S = 110  # a second when idle; pytest ends a test after 120 s


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


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]}: {done.stdout}{done.stderr}")


HASTY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
"""For a cluster that nobody kills and that ends with its tests: nothing of it has to outlive a power cut."""


class Cluster:
    """One server of our own. Without `settings` it keeps what it acknowledged, as in production."""

    def __init__(self, home: Path, settings: Sequence[str] = ()) -> None:
        folder = binaries()
        if folder is None:
            raise RuntimeError("no PostgreSQL server under /usr/lib/postgresql")
        self._folder, self._home, self._data, self._port = folder, home, home / "data", any_free()
        self._settings = settings
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        self._do("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """postgresql://postgres@127.0.0.1:PORT"""
        return f"postgresql://postgres@127.0.0.1:{self._port}"

    def start(self) -> None:
        """Until it answers; what a kill left of its shared memory may take a moment to go."""
        own = (f"port={self._port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._home}")
        options = " ".join(f"-c {one}" for one in (*own, *self._settings))
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._do("pg_ctl", "-w", "-l", str(self._home / "log"), "-o", options, "start")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    @property
    def ending(self) -> str:
        """Shell words that wait until standard input ends, then end the server and remove all that it wrote."""
        stop = _as_postgres([str(self._folder / "pg_ctl"), "-D", str(self._data), "-m", "immediate", "stop"])
        home = shlex.quote(str(self._home))
        return f"cd {home}; read -r _; {shlex.join(stop)} >/dev/null 2>&1; cd /; rm -rf {home}"

    def kill(self) -> None:
        """SIGKILL to the postmaster and all that it started: no farewell, no flush."""
        postmaster = psutil.Process(self.pid)
        killed = [postmaster, *postmaster.children()]
        for process in killed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(killed, timeout=START_TIMEOUT_S)

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _do(self, program: str, *words: str) -> None:
        _run(_as_postgres([str(self._folder / program), "-D", str(self._data), *words]), self._home)


@contextmanager
def running(settings: Sequence[str] = ()) -> Iterator[Cluster]:
    """A cluster that is gone afterwards, also when this process is killed: a shell that waits for its end does it."""
    home = Path(tempfile.mkdtemp(prefix="tallystick-pg-"))
    try:
        found = Cluster(home, settings)
        with subprocess.Popen(["sh", "-c", found.ending], stdin=subprocess.PIPE, start_new_session=True):
            found.start()
            yield found
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def cluster() -> Iterator[str]:
    """Yields the URL of one that is quick and keeps nothing; what a crash leaves is tested on `running`."""
    with running(HASTY) as found:
        yield found.url


@contextmanager
def database(server: str) -> Iterator[str]:
    """A fresh empty database on that server; yields its URL."""
    name = f"t{uuid4().hex[:12]}"
    with _talk(server) as conn:
        _copy(conn, name, "template1")
    try:
        yield f"{server}/{name}"
    finally:
        with _talk(server) as conn:
            conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def become_copy(url: str, template: str) -> None:
    """The fresh database at `url` gets all that `template`, a database beside it that nobody uses now, holds."""
    server, name = url.rsplit("/", 1)
    with _talk(server) as conn:
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
        _copy(conn, name, template)


def new_template(server: str) -> str:
    """The name of an empty database for `become_copy`; it is there as long as its server."""
    name = f"m{uuid4().hex[:12]}"
    with _talk(server) as conn:
        _copy(conn, name, "template1")
    return name


def _talk(server: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(f"{server}/postgres", autocommit=True)


def _copy(conn: psycopg.Connection[tuple[object, ...]], name: str, template: str) -> None:
    """By copying files, where there is a choice (from version 15 on): quicker where no fsync waits for each.

    Whoever left the template a moment ago may still be there on a busy machine; PostgreSQL waits 5 s for that.
    """
    how = " STRATEGY FILE_COPY" if conn.info.server_version >= 150_000 else ""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{how}'.encode())
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
