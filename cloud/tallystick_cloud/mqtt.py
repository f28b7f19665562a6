"""The MQTT front: one consumer at a broker, the use cases of the HTTPS port, answers on each gateway's own topics.

It never believes the broker: a topic says who is asked about, signatures say who speaks, a PUBACK says nothing.
"""

import asyncio
import logging
import ssl
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import SplitResult

import aiomqtt
from tallystick_protocol import cbor, cose
from tallystick_protocol.command import Command
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.hello import Hello

from tallystick_cloud.errors import BadInput, CloudError
from tallystick_cloud.home import CLIENT_NAME, Home
from tallystick_cloud.ports import Entropy
from tallystick_cloud.uplink import IN_FLIGHT_MAX, POLL_LOOK_S, Uplink

ROOT = "ts/1"
TLS_PORT, PLAIN_PORT = 8883, 1883
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
QOS = 1
KEEPALIVE_S = 45
PUBLISH_S = 30  # a broker that takes longer to acknowledge is a black hole; gateways send again
INBOX_MAX = 512  # uploads of at most 64 KiB: 32 MiB; what comes on top is dropped and sent again by its gateway
LANES = 4  # as many as PostgreSQL writers; a gateway always has the same lane, so its order is kept
LANE_MAX = 64
WAITING_MAX = 2 * IN_FLIGHT_MAX  # of one gateway: a window, and the same again after a reconnect; more is a flood
AGAIN_FIRST_S, AGAIN_MAX_S = 1.0, 60.0  # real time between attempts: doubled, the upper half of it by chance
STEADY_S = 30.0  # a connection that lasted so long was a good one, and the next attempt is quick again
COMPLAIN_EVERY_S = 60.0  # one line in the log per gateway and minute, however much nonsense it sends
HELLO_BYTES_MAX = 16 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is; no context means plain MQTT, on loopback only."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    def __str__(self) -> str:
        return f"{'mqtt' if self.tls is None else 'mqtts'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files for a broker that another authority than this aggregator's vouches for."""

    ca: Path
    certificate: Path
    key: Path


class MqttFront:
    """`run` it until cancelled; what a lost connection leaves unanswered, gateways send again."""

    def __init__(self, broker: Broker, uplink: Uplink, entropy: Entropy) -> None:
        self._broker = broker
        self._uplink = uplink
        self._entropy = entropy
        self._complained: dict[bytes, float] = {}
        self._looked: dict[bytes, float] = {}  # of enrolled gateways only, as is the next
        self._told: dict[bytes, int] = {}

    async def run(self) -> None:
        """Connect, consume, back off, for ever; a fresh client each time, because a failed one cannot be used again."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                # A task each: before Python 3.12 a group that fails while it waits for its tasks leaves the task around
                # it marked as cancelled, which the next conversation would heed.
                await asyncio.create_task(self._converse(), name="mqtt-conversation")
            except* (aiomqtt.MqttError, OSError) as group:
                _log.warning("%s: %s", self._broker, group.exceptions[0])
            _heed_cancellation()
            failures = 0 if loop.time() - began >= STEADY_S else failures + 1
            ceiling = min(AGAIN_MAX_S, AGAIN_FIRST_S * 2 ** min(failures, 10))
            await asyncio.sleep(ceiling * (256 + self._entropy.bytes(1)[0]) / 512)

    async def _converse(self) -> None:
        client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            identifier=CLIENT_NAME,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,
            keepalive=KEEPALIVE_S,
            timeout=PUBLISH_S,
            tls_context=self._broker.tls,
            max_queued_incoming_messages=INBOX_MAX,
        )
        async with client:
            await client.subscribe(f"{ROOT}/+/up/hello", qos=QOS)
            await client.subscribe(f"{ROOT}/+/up/batch", qos=QOS)
            _heed_cancellation()
            _log.info("listening at %s", self._broker)
            await _Session(client, self).serve()

    async def answer(self, asked: "Question") -> "list[Answer]":
        """What goes back for one message; nothing when it names nobody or cannot be read."""
        try:
            match asked.kind:
                case "hello":
                    return await self._hello(asked)
                case _:
                    receipt = await self._uplink.batch(asked.gid, asked.payload)
                    return [Answer("receipt", receipt), *await self._news(asked.gid)]
        except (CloudError, ProtocolError) as error:
            self._complain(asked, str(error))
        except Exception:  # a task border: one message that meets a bug must not silence every gateway
            _log.exception("%s of gateway %s", asked.kind, asked.gid.hex())
        return []

    async def _hello(self, asked: "Question") -> "list[Answer]":
        """The retained State, and the commands that this gateway has not obeyed yet."""
        state = await self._uplink.hello(asked.gid, asked.payload, "mqtt")
        said = Hello.decode(cose.parse(asked.payload, HELLO_BYTES_MAX).payload)  # its signature was checked just now
        self._told[asked.gid] = said.last_cmd_seq
        self._looked.pop(asked.gid, None)
        return [Answer("state", state, is_retained=True), *await self._news(asked.gid)]

    async def _news(self, gid: bytes) -> "list[Answer]":
        """Commands that this gateway was not told since its last Hello; looked for every few seconds at most."""
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(gid, -POLL_LOOK_S) < POLL_LOOK_S:
            return []
        self._looked[gid] = now
        commands = await self._uplink.commands(gid, self._told.get(gid, 0))
        if commands:
            self._told[gid] = Command.decode(cose.parse(commands[-1]).payload).cmd_seq
        return [Answer("cmd", each) for each in commands]

    def _complain(self, asked: "Question", reason: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._complained.get(asked.gid, -COMPLAIN_EVERY_S) >= COMPLAIN_EVERY_S:
            self._complained[asked.gid] = now
            _log.warning("%s of gateway %s has no answer: %s", asked.kind, asked.gid.hex(), reason)


@dataclass(frozen=True, slots=True)
class Question:
    """One message of a gateway; `gid` is what the topic says, no more."""

    gid: bytes
    kind: str  # hello | batch
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One message to a gateway, for ts/1/{gid}/down/{kind}."""

    kind: str  # state | receipt | cmd
    payload: bytes
    is_retained: bool = False


class _Session:
    """One connection: a reader, and lanes that answer in each gateway's order."""

    def __init__(self, client: aiomqtt.Client, front: MqttFront) -> None:
        self._client = client
        self._front = front
        self._lanes = [asyncio.Queue[Question](LANE_MAX) for _ in range(LANES)]
        self._waiting: Counter[bytes] = Counter()

    async def serve(self) -> None:
        """Until the connection is lost (MqttError, in a group)."""
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(self._answer_all(lane))
            tasks.create_task(self._read_all())

    async def _read_all(self) -> None:
        async for message in self._client.messages:
            if message.retain:
                continue  # kept by the broker from before; whoever asked has asked again or is gone
            asked = question_of(message.topic.value, message.payload)
            if asked is not None and self._waiting[asked.gid] < WAITING_MAX:
                self._waiting[asked.gid] += 1
                await self._lanes[asked.gid[0] % LANES].put(asked)

    async def _answer_all(self, lane: asyncio.Queue[Question]) -> None:
        while True:
            asked = await lane.get()
            self._waiting[asked.gid] -= 1
            if not self._waiting[asked.gid]:
                del self._waiting[asked.gid]
            for answer in await self._front.answer(asked):
                topic = f"{ROOT}/{asked.gid.hex()}/down/{answer.kind}"
                await self._client.publish(topic, answer.payload, qos=QOS, retain=answer.is_retained, timeout=PUBLISH_S)
                _heed_cancellation()


def _heed_cancellation() -> None:
    """Ends this task when its end was asked for. Before Python 3.12 `asyncio.wait_for`, in aiomqtt, forgets a
    cancellation that comes together with what it waited for, and before 3.13 a TaskGroup one that comes with a failure;
    whoever went on would hold up a shutdown for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def question_of(topic: str, payload: object) -> Question | None:
    """The message of a gateway; None for a topic that is none of ours or a payload that no gateway makes."""
    parts = topic.split("/")
    if len(parts) != 5 or not isinstance(payload, bytes) or len(payload) > cbor.UPLOAD_BYTES_MAX:
        return None
    gid, kind = parts[2], parts[4]
    if "/".join(parts[:2]) != ROOT or parts[3] != "up" or kind not in ("hello", "batch"):
        return None
    try:
        found = bytes.fromhex(gid)
    except ValueError:
        return None
    return Question(found, kind, payload) if found.hex() == gid and len(found) == 16 else None


def broker_at(url: SplitResult, home: Home, now: datetime, files: TlsFiles | None = None) -> Broker:
    """What mqtts://HOST[:PORT] means, with a certificate of the own authority unless `files` names others.

    Raises BadInput naming the option: another scheme, no host, plain MQTT over a network, unusable files."""
    try:
        port = url.port
    except ValueError:
        raise BadInput("--mqtt", f"has no valid port in {url.netloc!r}; write mqtts://HOST:{TLS_PORT}") from None
    match url.scheme:
        case "mqtts" if url.hostname:
            return Broker(url.hostname, port or TLS_PORT, _client_tls(home, now, files))
        case "mqtt" if url.hostname in LOOPBACK:
            return Broker(url.hostname, port or PLAIN_PORT, None)
        case "mqtt" if url.hostname:
            raise BadInput("--mqtt", f"is plain MQTT to {url.hostname}; write mqtts://, plain is for loopback only")
        case _:
            raise BadInput("--mqtt", f"is {url.geturl()!r}; write mqtts://HOST:{TLS_PORT}")


def _client_tls(home: Home, now: datetime, files: TlsFiles | None) -> ssl.SSLContext:
    if files is None:
        certificate, key = home.client_files(now)
        files = TlsFiles(home.tls / "ca.pem", certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for option, path in (("--mqtt-ca", files.ca), ("--mqtt-certificate", files.certificate), ("--mqtt-key", files.key)):
        if not path.is_file():
            raise BadInput(option, f"{path} is not a file; name a PEM file")
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key)
    except ssl.SSLError as error:
        raise BadInput("--mqtt-certificate", f"cannot be used with its key and CA ({error.reason})") from None
    return context
