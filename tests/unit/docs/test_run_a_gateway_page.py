"""The page about running a gateway: its commands are commands, its codes are the doctor's, its TOML is accepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.repository import ROOT
from tallystick_cloud.cli import parser as office_parser
from tallystick_edge.cli import _parser as edge_parser
from tallystick_edge.config_toml import load_config

PAGE = (ROOT / "docs" / "how-to" / "run-a-gateway.md").read_text()
EDGE = re.findall(r"^tallystick-edge (.+)$", PAGE, re.MULTILINE)
OFFICE = re.findall(r"^tallystick (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", EDGE)
def test_every_command_of_the_gateway_is_understood(command: str) -> None:
    edge_parser().parse_args(shlex.split(command))


@pytest.mark.parametrize("command", OFFICE)
def test_every_command_of_the_aggregator_is_understood(command: str) -> None:
    office_parser().parse_args(shlex.split(command))


def test_the_table_names_every_code_of_the_doctor_and_no_other() -> None:
    source = "".join(path.read_text() for path in (ROOT / "edge" / "tallystick_edge" / "doctor").glob("*.py"))
    codes = set(re.findall(r'(?:(?:ok|warn|fail)\(|CODE = )"([A-Z-]+)"', source))
    rows = re.findall(r"^\| ([A-Z, -]+) \|", PAGE, re.MULTILINE)
    named = {code for row in rows for code in row.split(", ")}
    assert named == codes


def test_the_metrics_table_is_accepted(tmp_path: Path) -> None:
    table = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert table is not None
    head = 'version = 1\n[gateway]\nname = "g"\ndata = "d"\n[uplink]\ntransport = "https"\n'
    (tmp_path / "edge.toml").write_text(head + table[1])
    assert load_config(tmp_path / "edge.toml").metrics_port == 9464
