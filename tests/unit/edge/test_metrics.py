"""The figures on loopback: what is said, in the form Prometheus reads, to nobody but this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from support.edge import EDGE_TOML, sample
from tallystick_edge import app as app_module
from tallystick_edge.app import App
from tallystick_edge.clock import SystemEntropy, system_clock
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import ConfigError
from tallystick_edge.metrics import Standing, render
from tallystick_edge.metrics_server import REQUEST_BYTES_MAX, MetricsServer
from tallystick_edge.ports import Sink
from tallystick_edge.sample import Fault
from tallystick_edge.vitals import Vitals
from tallystick_sim.ports import any_free

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?\d+\Z')
METRICS = "[metrics]\nport = {}\n"


def test_every_line_is_one_that_prometheus_reads_and_labels_are_escaped() -> None:
    vitals = Vitals(lambda: 5.0, {"line": 100}, flush_s=1)
    vitals.sample("line", sample(1_000, 1_000, 0))
    vitals.fault("line", Fault("washer", 0, 'a "strange"\nreason\\', ""))
    text = render(vitals, Standing(3, 7, 2, 11, 0, True, 40_000_000))
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    assert 'tallystick_edge_faults_total{meter="washer",reason="a \\"strange\\"\\nreason\\\\"} 1' in lines
    assert all(LINE.match(line) for line in lines if "strange" not in line)
    assert "tallystick_edge_waiting_batches 3" in lines
    assert "tallystick_edge_receipt_age_seconds 11" in lines
    assert 'tallystick_edge_samples_total{meter="washer"} 1' in lines


@asynccontextmanager
async def serving(text: str = "figure 1\n") -> AsyncIterator[int]:
    server = MetricsServer(0, lambda: text)
    running = asyncio.create_task(server.run())
    async with asyncio.timeout(60):
        await server.listening.wait()
    assert server.port is not None
    try:
        yield server.port
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics HTTP/1.1", b"200"),
        (b"GET / HTTP/1.1", b"404"),
        (b"POST /metrics HTTP/1.1", b"405"),
        (b"nonsense", b"405"),
    ],
)
async def test_only_the_figures_can_be_had(request_line: bytes, status: bytes) -> None:
    async with serving() as port:
        answer = await asked(port, request_line + b"\r\nHost: localhost\r\n\r\n")
        assert answer.split(b" ")[1] == status
        assert answer.endswith(b"figure 1\n") == (status == b"200")


async def test_a_request_without_end_is_cut_off_and_the_next_one_served() -> None:
    async with serving() as port:
        assert await asked(port, b"x" * (2 * REQUEST_BYTES_MAX)) == b""
        assert b"200 OK" in await asked(port, b"GET /metrics HTTP/1.0\r\n\r\n")


class _Answers:
    async def run(self, sink: Sink) -> None:
        value = 1_000
        while True:
            value += 1
            sink.sample(sample(value * 1_000, value, 0))
            sink.fault(Fault("washer", value, "timeout", "no answer"))
            await asyncio.sleep(0.01)


async def test_a_running_agent_tells_what_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = any_free()
    (tmp_path / "edge.toml").write_text(EDGE_TOML + METRICS.format(port))
    monkeypatch.setattr(app_module, "make_drivers", lambda *_: [("line line", _Answers())])
    app = App(load_config(tmp_path / "edge.toml"), system_clock(), SystemEntropy())
    running = asyncio.create_task(app.run())
    text = ""
    async with asyncio.timeout(60):
        while 'samples_total{meter="washer"}' not in text:
            await asyncio.sleep(0.05)
            with suppress(OSError):
                text = (await asked(port, b"GET /metrics HTTP/1.1\r\n\r\n")).decode()
    app.stop()
    await running
    assert 'tallystick_edge_faults_total{meter="washer",reason="timeout"}' in text
    assert "tallystick_edge_clock_trusted 1" in text


def test_without_the_table_nothing_is_served_and_a_wrong_port_is_named(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(EDGE_TOML)
    assert load_config(path).metrics_port is None
    path.write_text(EDGE_TOML + METRICS.format(99_999))
    with pytest.raises(ConfigError, match=r"metrics\.port"):
        load_config(path)
