"""The MQTT transport: the same bytes on ts/1/{gid}/up and down, QoS 1, a session that the broker keeps.
A PUBACK proves nothing here; only a signed receipt does, and a fresh client is made for every attempt."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from tallystick_edge.errors import UplinkError
from tallystick_edge.uplink.transport import Incoming, Kind, Session

PUBLISH_S = 30  # a PUBACK that takes longer belongs to a black hole
KEEPALIVE_S = 45  # below the idle minute after which cheap routers forget a connection
INCOMING_MAX = 256  # retained State, a window of receipts, and a margin for a flooding broker


class MqttTransport:
    """`gid` in hex is the client id, the user name of its certificate, and part of every topic."""

    def __init__(self, host: str, port: int, gid: str, context: ssl.SSLContext) -> None:
        self._host = host
        self._port = port
        self._gid = gid
        self._context = context

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        """Connect, subscribe, and hand out the session."""
        client = aiomqtt.Client(
            self._host,
            self._port,
            identifier=self._gid,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,
            keepalive=KEEPALIVE_S,
            timeout=PUBLISH_S,
            tls_context=self._context,
            max_queued_incoming_messages=INCOMING_MAX,
        )
        try:
            async with client:
                for kind in Kind:
                    await client.subscribe(f"ts/1/{self._gid}/down/{kind.value}", qos=1)
                _heed_cancellation()
                yield _MqttSession(client, self._gid)
        except (aiomqtt.MqttError, OSError) as error:
            raise UplinkError(f"mqtt {self._host}:{self._port}: {error}") from error


class _MqttSession:
    def __init__(self, client: aiomqtt.Client, gid: str) -> None:
        self._client = client
        self._up = f"ts/1/{gid}/up"
        self._messages = aiter(client.messages)

    async def send_hello(self, data: bytes) -> None:
        await self._publish("hello", data)

    async def send_batch(self, epoch: int, seq: int, data: bytes) -> None:
        await self._publish("batch", data)

    async def receive(self) -> Incoming:
        try:
            while True:
                message = await anext(self._messages)
                if isinstance(message.payload, bytes):
                    return Incoming(Kind(message.topic.value.rsplit("/", 1)[-1]), message.payload)
        except aiomqtt.MqttError as error:
            raise UplinkError(f"mqtt: {error}") from error

    async def _publish(self, what: str, data: bytes) -> None:
        try:
            await self._client.publish(f"{self._up}/{what}", data, qos=1, timeout=PUBLISH_S)
        except aiomqtt.MqttError as error:
            raise UplinkError(f"mqtt publish {what}: {error}") from error
        _heed_cancellation()


def _heed_cancellation() -> None:
    """Ends this task when its end was asked for. Before Python 3.12 `asyncio.wait_for`, in aiomqtt, forgets a
    cancellation that comes together with what it waited for, and the gateway's uplink would never stop.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
