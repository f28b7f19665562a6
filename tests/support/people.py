"""People with a browser and no JavaScript, at the server's own tables over a database, for tests of pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

from aiohttp import DummyCookieJar, FormData, web
from aiohttp.test_utils import TestClient, TestServer
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, SessionRow, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session
from tallystick_protocol.keys import P256Signer

Client = TestClient[web.Request, web.Application]


@dataclass(frozen=True)
class StillClock:
    now_ms: int

    def utc_ms(self) -> int:
        return self.now_ms


class Shelf:
    """Keys that the server keeps for people who are added."""

    def __init__(self) -> None:
        self.kept: dict[bytes, P256Signer] = {}

    def store_party_keys(self, name: str, hosted: Mapping[bytes, P256Signer]) -> None:
        self.kept.update(hosted)

    def party_key(self, name: str, party: bytes) -> P256Signer | None:
        return self.kept.get(party)


class Person:
    """Somebody who is signed in."""

    def __init__(self, client: Client, row: SessionRow) -> None:
        self.client, self.csrf = client, row.csrf.hex()
        self.headers = {"Cookie": f"{COOKIE}={row.secret.hex()}"}

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.client.get(path, headers=self.headers) as answer:
            return answer.status, await answer.read()

    async def page(self, path: str) -> str:
        """What is in the page's main part."""
        status, text = await self.get(path)
        assert status == 200, text
        return text.decode().split("<main")[1].split("</main>")[0]

    async def send(self, path: str, **fields: str) -> tuple[int, bytes]:
        """A form with the page's token."""
        return await self._post(path, {"csrf": self.csrf, **fields})

    async def hand_in(self, path: str, files: Mapping[str, bytes], **fields: str) -> tuple[int, bytes]:
        """A form with files; one that was not chosen is empty."""
        form = FormData()
        for name, text in {"csrf": self.csrf, **fields}.items():
            form.add_field(name, text)
        for name, data in files.items():
            form.add_field(name, BytesIO(data), filename="file" if data else "")
        return await self._post(path, form)

    async def _post(self, path: str, data: FormData | dict[str, str]) -> tuple[int, bytes]:
        async with self.client.post(path, headers=self.headers, data=data, allow_redirects=False) as answer:
            return answer.status, await answer.read()


P = TypeVar("P", bound=Person)


@dataclass(frozen=True)
class People:
    """Signs in anybody of a community."""

    client: Client
    database: Database
    community: str
    ids: Mapping[str, bytes]

    def sign_in(self, name: str, role: Role, kind: type[P] = Person) -> P:  # type: ignore[assignment]
        row = new_session(self.community, self.ids[name], role, real_utc_ms())
        self.database.write_now(store_session, row)
        return kind(self.client, row)


@asynccontextmanager
async def people_of(
    database: Database,
    community: str,
    ids: Mapping[str, bytes],
    now_ms: int,
    aggregator: Aggregator | None = None,
    shelf: Shelf | None = None,
) -> AsyncIterator[People]:
    """The web port's application over a database, its clock at `now_ms`; `aggregator` has the keys that sign."""
    clock = StillClock(now_ms)
    pages = Pages(clock, is_demo=False)
    setup = Setup(database, clock, Hub(database, pages, clock), pages, aggregator=aggregator, shelf=shelf)
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield People(client, database, community, ids)
