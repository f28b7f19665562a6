"""A small gateway loads only what it uses: no SQLAlchemy ever, aiohttp only for HTTPS; proved in fresh processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHECK = """
import sys
{code}
loaded = [name for name in {forbidden!r} if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import tallystick_edge.app, tallystick_edge.cli", ["aiohttp", "sqlalchemy", "pymodbus", "bleak", "aiomqtt"]),
        ("import tallystick_edge.app, tallystick_edge.uplink.mqtt", ["aiohttp", "sqlalchemy", "pymodbus", "bleak"]),
        ("import tallystick_edge.app, tallystick_edge.uplink.https", ["sqlalchemy", "aiomqtt"]),
        ("import tallystick_edge.drivers.modbus", ["aiohttp", "sqlalchemy", "bleak"]),
    ],
)
def test_nothing_heavy_is_loaded_unused(code: str, forbidden: list[str]) -> None:
    program = CHECK.format(code=code, forbidden=forbidden)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
