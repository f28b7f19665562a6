"""The aggregator as the demo sees it from outside: its public pages and API over HTTP, as any program would.
It reads JSON and never looks into the aggregator's files."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any

ANSWER_BYTES_MAX = 4_194_304  # a summary of a large town is far below
TIMEOUT_S = 30.0  # it answers in milliseconds; ten runs share a machine at times


class AggregatorError(RuntimeError):
    """No answer, or one that says no; the message has the address and what came back."""


class Aggregator:
    """One signed-in visitor. `url` is the people's port, as in http://localhost:8080."""

    def __init__(self, url: str) -> None:
        self.url = url
        # No proxy from the environment: the aggregator is on this machine.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )

    async def is_up(self) -> bool:
        """Whether it answers at all."""
        try:
            await self._get("/v1/health")
        except AggregatorError:
            return False
        return True

    async def sign_in(self, persona: str) -> None:
        """Become one of the demo's people. Raises AggregatorError."""
        await self._get(f"/demo/{persona}")

    async def text(self, path: str) -> str:
        """What is at `path`, as text. Raises AggregatorError."""
        return (await self._get(path)).decode(errors="replace")

    async def json(self, path: str) -> Mapping[str, Any]:
        """The JSON object at `path`. Raises AggregatorError."""
        found = await self._parsed(path)
        if not isinstance(found, dict):
            raise AggregatorError(f"{self.url}{path}: not a JSON object")
        return found

    async def rows(self, path: str) -> list[Any]:
        """The JSON array at `path`. Raises AggregatorError."""
        found = await self._parsed(path)
        if not isinstance(found, list):
            raise AggregatorError(f"{self.url}{path}: not a JSON array")
        return found

    async def _parsed(self, path: str) -> object:
        body = await self._get(path)
        try:
            return json.loads(body)
        except ValueError as error:
            raise AggregatorError(f"{self.url}{path}: not JSON ({error})") from error

    async def _get(self, path: str) -> bytes:
        return await asyncio.to_thread(self._fetch, path)

    def _fetch(self, path: str) -> bytes:
        try:
            with self._opener.open(self.url + path, timeout=TIMEOUT_S) as response:
                body: bytes = response.read(ANSWER_BYTES_MAX)
                return body
        except urllib.error.HTTPError as error:
            with error:
                raise AggregatorError(f"{self.url}{path}: {error.code} {error.read(500)!r}") from error
        except OSError as error:
            raise AggregatorError(f"{self.url}{path}: {error}") from error
