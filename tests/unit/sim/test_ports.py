"""A free port is free for whoever names it, and for nobody else, also between two lives of a server."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from tallystick_sim.ports import any_free, is_free, next_free

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a port be kept and used")
ASK_FOR_MANY = "import socket\nkept = [socket.create_server(('127.0.0.1', 0)) for _ in range(200)]\n"
ASK_FOR_MANY += "print(*(one.getsockname()[1] for one in kept))\nfor one in kept: one.close()\n"


def listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_a_port_is_used_twice_one_life_after_the_other() -> None:
    port = any_free()
    for _ in range(2):
        assert is_free(port)
        with listening(port) as server, socket.create_connection(server.getsockname()):
            assert not is_free(port)
            assert next_free(port) > port


@LINUX
def test_a_port_is_given_to_nobody_else_while_its_server_is_down() -> None:
    port = any_free()
    listening(port).close()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    said = subprocess.run([sys.executable, "-c", ASK_FOR_MANY], capture_output=True, text=True, check=True)
    assert port not in [int(word) for word in said.stdout.split()]


def test_a_port_that_is_taken_is_not_given() -> None:
    first = any_free()
    assert any_free({first}) != first
