"""ThingsBoard IoT Gateway 3.8.5 as it comes: its own environment, its default settings, one Modbus connector.

What stands in for its platform answers the one question it asks at the start, limits nothing, and counts values."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import venv
from collections import Counter
from pathlib import Path

import aiomqtt

from gateways.broker import PLATFORM
from gateways.meters import METERS, REGISTERS, Value
from gateways.process import Process

VERSION = "3.8.5"
PINS = Path(__file__).with_name("thingsboard.txt")
TELEMETRY = "v1/gateway/telemetry"
LIMITS_ASKED = "v1/devices/me/rpc/request/+"
NO_LIMITS = {"rateLimits": {}, "maxPayloadSize": 65_536, "maxInflightMessages": 100}
RECONNECT_S = 0.05  # the platform is never the reason for a loss
INSTALL_S = 600


class NotInstalled(RuntimeError):
    """The peer cannot be installed here; the message says what pip said."""


def install(cache: Path) -> Path:
    """The environment's python; made once per cache folder from the pinned list. Raises NotInstalled."""
    folder = cache / f"thingsboard-{VERSION}"
    python = folder / "bin" / "python"
    stamp = folder / "pins.txt"
    if stamp.exists() and stamp.read_text() == PINS.read_text():
        return python
    venv.create(folder, with_pip=True, clear=True)
    words = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(PINS)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip()[-2_000:])
    stamp.write_text(PINS.read_text())
    return python


class Peer:
    """One gateway with its files in `folder`."""

    def __init__(self, folder: Path, python: Path, broker_port: int, meter_port: int) -> None:
        config = folder / "config"
        config.mkdir(parents=True)
        (folder / "logs").mkdir()
        source = json.loads(_packaged(python, "tb_gateway.json"))
        source["thingsboard"] |= {"host": "127.0.0.1", "port": broker_port}
        source["connectors"] = [{"type": "modbus", "name": "meters", "configuration": "modbus.json"}]
        (config / "tb_gateway.json").write_text(json.dumps(source))
        (config / "logs.json").write_text(_packaged(python, "logs.json"))
        (config / "modbus.json").write_text(json.dumps(_modbus(meter_port)))
        command = (str(python), "-m", "thingsboard_gateway.tb_gateway")
        environment = {"TB_GW_CONFIG_DIR": str(config)}
        self.process = Process(command, folder, folder / "peer.log", environment)


def _packaged(python: Path, name: str) -> str:
    """A file of its defaults."""
    found = next(python.parents[1].glob(f"lib/python3*/site-packages/thingsboard_gateway/config/{name}"))
    return found.read_text()


def _modbus(port: int) -> dict[str, object]:
    """Everything that its example file sets is as it is there; `timeout` too."""
    values = [
        {"tag": f"v{index}", "type": "32uint", "functionCode": 4, "objectsCount": 2, "address": 2 * index}
        for index in range(REGISTERS)
    ]
    slaves = [
        {
            "host": "127.0.0.1",
            "port": port,
            "type": "tcp",
            "method": "socket",
            "unitId": number,
            "deviceName": f"m{number}",
            "deviceType": "default",
            "timeout": 35,
            "byteOrder": "BIG",
            "wordOrder": "BIG",
            "retries": 3,
            "retryOnEmpty": True,
            "retryOnInvalid": True,
            "pollPeriod": 1000,
            "connectAttemptTimeMs": 5000,
            "connectAttemptCount": 5,
            "waitAfterFailedAttemptsMs": 300000,
            "attributes": [],
            "timeseries": values,
            "attributeUpdates": [],
            "rpc": [],
        }
        for number in range(1, METERS + 1)
    ]
    return {"master": {"slaves": slaves}, "name": "meters"}


class Platform:
    """What its server would do, as far as a gateway that only sends can tell."""

    def __init__(self, broker_port: int) -> None:
        self._port = broker_port
        self.seen: Counter[Value] = Counter()
        self.first = asyncio.Event()
        self.first_at = 0.0

    async def run(self) -> None:
        """Until cancelled; a broker that went is looked for again at once."""
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self._port, identifier=PLATFORM, username=PLATFORM) as client:
                    await client.subscribe(TELEMETRY, qos=1)
                    await client.subscribe(LIMITS_ASKED, qos=1)
                    async for message in client.messages:
                        await self._take(client, message)
            except aiomqtt.MqttError:
                await asyncio.sleep(RECONNECT_S)

    async def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        topic = message.topic.value
        if topic != TELEMETRY:
            await client.publish(topic.replace("request", "response"), json.dumps(NO_LIMITS), qos=1)
            return
        assert isinstance(message.payload, bytes)
        if not self.first.is_set():
            self.first_at = time.monotonic()
            self.first.set()
        for device, rows in json.loads(message.payload).items():
            for row in rows:
                for tag, value in row.get("values", {}).items():
                    self.seen[int(device[1:]), int(tag[1:]), int(value)] += 1
