"""A real Chromium for tests of pages, or the reason to skip them; and a city server as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SERVER = Path(__file__).parent / "city_server.py"


@dataclass
class CityServer:
    """A running server; `say` makes something happen in it and returns when that is committed."""

    process: subprocess.Popen[str]
    url: str

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == f"done {word}"

    def sign_in(self, context: BrowserContext) -> None:
        """The operator's session, without loading a page."""
        context.request.get(f"{self.url}/demo/operator", max_redirects=0)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=60)


@contextmanager
def city_server(*arguments: str) -> Iterator[CityServer]:
    """A server over freshly seeded tables on a free port."""
    environment = {**os.environ, "PYTHONPATH": str(SERVER.parent.parent), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, str(SERVER), folder, *arguments],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        server = CityServer(process, process.stdout.readline().strip())
        try:
            assert server.url.startswith("http"), "the server did not start; its words are above"
            yield server
        finally:
            server.stop()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; skips when there is none, fails when TALLYSTICK_REQUIRE_SERVICES=1."""
    if not Path(CHROMIUM).exists():
        reason = f"no Chromium at {CHROMIUM}; install it or set CHROMIUM"
        if os.environ.get("TALLYSTICK_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()
