"""The control line answers each request and names what is wrong with a bad one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tallystick_sim.control import ControlError, Request, call, serve_control


async def handler(request: Request) -> Mapping[str, Any]:
    if request["do"] == "double":
        return {"value": request["value"] * 2}
    raise ControlError(f"do: no {request['do']!r} here; there is: double")


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a unix socket's path is at most 107 bytes: pytest's is too long
        path = Path(folder) / "control"
        server = await serve_control(path, handler)
        yield path
        server.close()


async def test_call_and_answer(path: Path) -> None:
    assert await call(path, "double", value=21) == {"value": 42}


async def test_refusal_is_raised_with_its_reason(path: Path) -> None:
    with pytest.raises(ControlError, match="no 'open' here"):
        await call(path, "open")


@pytest.mark.parametrize(
    ("line", "reason"), [(b"{\n", b"not JSON"), (b"[1]\n", b"do: missing"), (b'{"do": 1}\n', b"do: missing")]
)
async def test_bad_lines_are_answered_with_field_and_reason(path: Path, line: bytes, reason: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    assert reason in await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    await writer.wait_closed()


async def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="does not answer"):
        await call(Path("/nonexistent/control"), "truth")
