"""The simulator's control line: one JSON object per line on a unix socket, one answer per line.
It carries requests to a handler and answers back; what a request does is the handler's business."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

LINE_BYTES_MAX = 65_536  # a truth of a whole town is a few kB
CALL_TIMEOUT_S = 30.0  # the simulator answers in milliseconds unless it is dead or the machine is very busy

Request = Mapping[str, Any]
Handler = Callable[[Request], Awaitable[Mapping[str, Any]]]


class ControlError(RuntimeError):
    """The simulator refused a request, did not answer, or answered something else; the message says which."""


async def serve_control(path: Path, handler: Handler) -> asyncio.Server:
    """Answer requests on `path` until the server is closed; a refused request gets {"error": reason}."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(line, handler)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # the caller hung up, or sent a line without an end: there is nobody to answer
        finally:
            writer.close()

    return await asyncio.start_unix_server(talk, str(path), limit=LINE_BYTES_MAX)


async def _answer(line: bytes, handler: Handler) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        return {"error": f"request: not JSON ({error})"}
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        return {"error": 'do: missing; expected an object like {"do": "truth"}'}
    try:
        return await handler(request)
    except ControlError as error:
        return {"error": str(error)}


async def call(path: Path, do: str, **arguments: object) -> dict[str, Any]:
    """One request and its answer. Raises ControlError when it is refused or nobody answers."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_BYTES_MAX)
            try:
                writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise ControlError(f"{do}: the simulator does not answer on {path} ({type(error).__name__})") from error
    answer = json.loads(line) if line else {"error": f"{do}: the simulator hung up"}
    if not isinstance(answer, dict) or "error" in answer:
        raise ControlError(str(answer["error"]) if isinstance(answer, dict) else f"{do}: unreadable answer")
    return answer
