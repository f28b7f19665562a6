"""The real aggregator behind TLS and a gateway beside it, on one clock that a test moves by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.edge import HandClock
from support.real_aggregator import Gateway, RealAggregator


@pytest.fixture
async def aggregator(tmp_path: Path) -> AsyncIterator[RealAggregator]:
    folder = tmp_path / "cloud"
    folder.mkdir()
    server = RealAggregator(folder, HandClock())
    await server.start()
    yield server
    await server.stop()
    server.database.close()


@pytest.fixture
def gateway(tmp_path: Path, aggregator: RealAggregator) -> Gateway:
    return Gateway(tmp_path / "edge", aggregator, clock=aggregator.clock)
