"""The page about Mosquitto is true: every command on it is one, and the broker's files say what it promises."""

import re
import shlex
from pathlib import Path

import pytest
from support.repository import ROOT
from tallystick_cloud.broker import ACL, BrokerPlan, mosquitto_conf
from tallystick_cloud.ca import CRL_DAYS
from tallystick_cloud.cli import parser

PAGE = (ROOT / "docs/how-to/mosquitto.md").read_text()
COMMANDS = re.findall(r"^tallystick (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    parser().parse_args(shlex.split(command))


def test_there_is_a_command_for_every_step() -> None:
    assert [command.split()[0] for command in COMMANDS] == ["init", "broker-config", "serve", "community"]


def test_promises_about_the_broker_stand_in_its_files() -> None:
    conf = mosquitto_conf(BrokerPlan(Path("/etc/mosquitto/tallystick"), user="mosquitto")).splitlines()
    for line in (
        "user mosquitto",
        "listener 8883 127.0.0.1",
        "crlfile /etc/mosquitto/tallystick/revoked.pem",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "persistence false",
    ):
        assert line in conf
    assert "pattern write ts/1/%u/up/#" in ACL
    assert "pattern read ts/1/%u/down/#" in ACL
    assert f"good for {CRL_DAYS} days" in PAGE
