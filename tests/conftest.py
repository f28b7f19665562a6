"""What all tests share: the markers of pyproject.toml that mean something to do here, and one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping

import pytest
from hypothesis import HealthCheck, settings
from support import postgres, refusals, seeds
from support.virtual_time import VirtualTimeLoop

# By default an example that takes 200 ms fails, and so does slow making of data: on a busy machine both are luck.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
# In CI the same code meets the same examples: what another day would have drawn makes nobody's change red.
settings.register_profile("ci", settings.get_profile("busy machine"), derandomize=True)
settings.load_profile("ci" if seeds.is_fixed() else "busy machine")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of one PostgreSQL for all tests of this process that need no crash; each makes databases of its own."""
    if postgres.binaries() is None:
        if postgres.required():
            pytest.fail("PostgreSQL is required here (TALLYSTICK_REQUIRE_SERVICES=1) and not installed")
        pytest.skip("PostgreSQL is not installed")
    with postgres.cluster() as server:
        yield server


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests marked `virtual_time` run on a clock that jumps."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual time": VirtualTimeLoop}
    return {"real time": asyncio.new_event_loop}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Where `laws/verify/refusals.txt` says that the verifier refuses in a test, it does."""
    expected = refusals.expected(item.nodeid)
    if not expected:
        return (yield)
    with refusals.recording() as fired:
        result = yield
    missing = "; ".join(sorted(expected - fired))
    assert not missing, f"the verifier no longer refuses in this test: {missing} ({refusals.RENEW})"
    return result
