"""`tallystick serve` before its PostgreSQL: it waits, says so and goes on by itself; what is wrong for good ends it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from support import postgres
from tallystick_cloud.cli import main
from tallystick_cloud.clock import SystemClock
from tallystick_cloud.db import Database
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.waiting import is_away, until_there
from tallystick_sim.ports import any_free

GENEROUS_S = 90
SHORT_S = 0.05


def answer(url: str, accept: str = "application/json") -> tuple[int, str]:
    """Status and body; 0 while nobody listens."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=GENEROUS_S) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError:
        return 0, ""


def until(url: str, status: int) -> str:
    end = time.monotonic() + GENEROUS_S
    while time.monotonic() < end:
        found, body = answer(url)
        if found == status:
            return body
        time.sleep(SHORT_S)
    raise AssertionError(f"{url} did not answer {status} within {GENEROUS_S} s")


@pytest.mark.timeout(300)
def test_the_server_waits_for_its_database_and_goes_on_by_itself(tmp_path: Path) -> None:
    if postgres.binaries() is None:
        if postgres.required():
            pytest.fail("PostgreSQL is required here (TALLYSTICK_REQUIRE_SERVICES=1) and not installed")
        pytest.skip("PostgreSQL is not installed")
    folder, log = tmp_path / "data", tmp_path / "log"
    with postgres.running() as cluster:
        url = f"{cluster.url}/postgres"
        assert main(["init", "--data", str(folder), "--db", url]) == 0
        cluster.kill()
        port = any_free()
        words = ["serve", "--data", str(folder), "--db", url, "--port", str(port), "--gateway-port", str(any_free())]
        with log.open("w") as out:
            server = subprocess.Popen([sys.executable, "-m", "tallystick_cloud", *words], stdout=out, stderr=out)
        try:
            health = f"http://localhost:{port}/v1/health"
            said = json.loads(until(health, 503))
            assert said["title"] == "Not ready yet"
            assert "waits for its database" in said["detail"]
            status, page = answer(f"http://localhost:{port}/", "text/html")
            assert status == 503
            assert "Not ready yet" in page
            style = re.search(r"/static/[^\"]+\.css", page)
            assert style is not None
            assert answer(f"http://localhost:{port}{style[0]}")[0] == 200
            assert server.poll() is None
            cluster.start()
            assert json.loads(until(health, 200)) == {"status": "ok"}
        finally:
            server.terminate()
            ended = server.wait(GENEROUS_S)
            print(log.read_text())  # why, when it did not go as it should
            assert ended == 0
    lines = log.read_text().splitlines()
    assert sum("the database does not answer" in one for one in lines) == 1
    assert sum("the database answers after" in one for one in lines) == 1


async def test_a_server_that_waits_ends_when_it_is_told() -> None:
    database, port, stop = Database(f"postgresql://nobody@127.0.0.1:{any_free()}/none"), any_free(), asyncio.Event()
    waiting = asyncio.create_task(until_there(database, Pages(SystemClock(), is_demo=False), port, stop))
    await asyncio.to_thread(until, f"http://localhost:{port}/v1/health", 503)
    stop.set()
    assert await asyncio.wait_for(waiting, GENEROUS_S) is False
    database.close()


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  the database system is shutting down", True),
        ("FATAL:  the database system is not yet accepting connections", True),
        ("FATAL:  sorry, too many clients already", True),
        ('FATAL:  password authentication failed for user "tally"', False),
        ('FATAL:  database "tally" does not exist', False),
    ],
)
def test_only_what_passes_by_itself_is_waited_for(said: str, waits: bool) -> None:
    assert is_away(OperationalError("SELECT 1", None, psycopg.OperationalError(said))) is waits
