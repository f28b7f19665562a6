"""Joins the agent: keys, lock, drivers, journal and transport from the configuration, and a clean end.
It decides nothing itself; what goes on between drivers and uplink is `agent.py`."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from tallystick_edge import SOFTWARE
from tallystick_edge.agent import Agent, Pace
from tallystick_edge.claim_file import ServerInfo
from tallystick_edge.clock import real_utc
from tallystick_edge.config import EdgeConfig, TransportKind
from tallystick_edge.core import Core, Known
from tallystick_edge.described import misfits, names, unread
from tallystick_edge.enrolment import (
    Enrolment,
    client_context,
    enrol,
    has_claim,
    has_other_claim,
    load_enrolment,
    planned_in,
)
from tallystick_edge.errors import ConfigError, EdgeError, EnrolmentError, UplinkError
from tallystick_edge.files import give_to_owner_of
from tallystick_edge.identity import Identity, load_identity
from tallystick_edge.notify import Notify
from tallystick_edge.outside import Outside
from tallystick_edge.plan import MeterPlan, make_plan
from tallystick_edge.ports import Clock, Driver, Entropy, ReplayStore
from tallystick_edge.profile import load_profile
from tallystick_edge.renewal import Renewal
from tallystick_edge.room import StoreLimits
from tallystick_edge.settings import Configure, in_force, load_settings
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.transport import Transport
from tallystick_edge.uplink.worker import Uplink
from tallystick_edge.vitals import Vitals, allowed_s

log = logging.getLogger("tallystick.app")
JOURNAL_FILE, LOCK_FILE = "journal.sqlite", "lock"
ENROL_REFUSED_MS = 60_000  # a refused claim does not become valid by asking fast; a new file may be put there


class App:
    """One agent on one data folder. `stop` may be called from a signal handler."""

    def __init__(self, config: EdgeConfig, clock: Clock, entropy: Entropy, notify: Notify | None = None) -> None:
        self._config, self._clock, self._entropy = config, clock, entropy
        self._notify = notify or Notify({})
        self._backoff = Backoff(config.uplink.resend_ms, config.uplink.resend_max_ms)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ask for a clean end: flush, seal, close."""
        self._stopped.set()

    async def run(self) -> None:
        """Until `stop`; raises EdgeError when it cannot start."""
        identity = load_identity(self._config.data)
        with DataLock(self._config.data):
            while not self._stopped.is_set():
                settings = load_settings(self._config.data)
                config = self._config if settings is None else in_force(self._config, settings)
                await self._run(config, identity)

    async def _run(self, config: EdgeConfig, identity: Identity) -> None:
        """Until `stop`, or until other settings are in force: then all ends cleanly, as at a stop, and begins anew."""
        path = config.data / JOURNAL_FILE
        limits = StoreLimits(config.store_mib * 1024**2, config.keep_days * 86_400_000)
        plans = make_plan(config)
        core = Core(path, identity.signer, plans, self._clock, self._entropy, SOFTWARE, limits=limits)
        changed = asyncio.Event()
        configure = Configure(config.data, changed.set)
        try:
            drivers = make_drivers(config, self._clock, core.desk)
            vitals = vitals_of(config)
            agent = Agent(core, drivers, self._clock, pace_of(config), vitals)
            outside = Outside(config.metrics_port, self._notify, vitals, core, agent, self._clock)
            async with agent.tasks(lambda: self._talk(identity, core, agent, plans, configure)), outside.tasks():
                self._notify.ready()
                log.info("gateway %s runs with %d drivers, boot %s", identity.gid.hex(), len(drivers), core.boot.hex())
                await _first(self._stopped, changed)
                if self._stopped.is_set():
                    self._notify.stopping()
        finally:
            core.close()
            log.info("ended cleanly: %s", "everything read is in the journal and sealed")

    async def _talk(
        self, identity: Identity, core: Core, agent: Agent, plans: Mapping[str, MeterPlan], configure: Configure
    ) -> None:
        while True:
            enrolment = await self._enrolled(identity)
            core.enrolled(known(plans, enrolment))
            try:
                context = client_context(enrolment, self._config.data, identity)
                transport = self._transport(enrolment, context, core)
                break
            except (EnrolmentError, ConfigError) as error:
                log.error("nothing is handed over, metering goes on: %s", error)
            await asyncio.sleep(ENROL_REFUSED_MS / 1000)
        planned = lambda renewed: core.enrolled(known(plans, renewed))  # noqa: E731
        renewal = Renewal(
            self._config.data, identity, enrolment, context, SOFTWARE, self._entropy, _post_renewal, planned
        )
        uplink = Uplink(core, transport, enrolment.trust, self._backoff, self._entropy, configure, renewal.ask)
        async with asyncio.TaskGroup() as group:
            group.create_task(renewal.run(real_utc), name="renewal")
            group.create_task(agent.hand_over(uplink), name="hand-over")

    async def _enrolled(self, identity: Identity) -> Enrolment:
        """The stored enrolment, or a new one by the claim; asks again for ever, because metering goes on meanwhile."""
        attempt = 0
        while True:
            try:
                return await obtain_enrolment(self._config, identity, self._entropy)
            except (EnrolmentError, ConfigError) as error:
                log.error("not enrolled: %s", error)
                wait_ms = max(ENROL_REFUSED_MS, self._backoff.first_ms)
            except UplinkError as error:
                wait_ms = self._backoff.wait_ms(attempt, self._entropy)
                attempt += 1
                log.warning("not enrolled yet: %s; next attempt in %d ms", error, wait_ms)
            await asyncio.sleep(wait_ms / 1000)

    def _transport(self, enrolment: Enrolment, context: ssl.SSLContext, core: Core) -> Transport:
        gid, info = enrolment.answer.gid.hex(), enrolment.info
        if self._config.uplink.transport is TransportKind.HTTPS:
            from tallystick_edge.uplink.https import HttpsTransport

            return HttpsTransport(info.server, gid, context, lambda: core.chain.last_command)
        from tallystick_edge.uplink.mqtt import MqttTransport

        if info.mqtt_host is None or info.mqtt_port is None:
            step = 'set transport = "https", or enrol with a claim file that has [mqtt]'
            raise ConfigError("configuration", "uplink.transport", "is mqtt, but the claim named no broker", step)
        return MqttTransport(info.mqtt_host, info.mqtt_port, gid, context)


def known(plans: Mapping[str, MeterPlan], enrolment: Enrolment) -> Known:
    """What enrolment gave; a channel that the plan describes otherwise than it is read is told, and not named by it."""
    planned = tuple(planned_in(enrolment.answer))
    wrong = misfits(plans, planned)
    for words in wrong.values():
        log.error("set aside, not billed: %s", words)
    for each in unread(plans, planned):
        log.warning("channel %d (%s) is planned, and no meter of the configuration has it", each.channel, each.asset)
    return Known(names(plans, planned, enrolment.descriptors, wrong), enrolment.trust.log_for)


def pace_of(config: EdgeConfig) -> Pace:
    return Pace(config.flush_ms, config.uplink.seal_every_ms, config.uplink.heartbeat_ms)


async def _first(*events: asyncio.Event) -> None:
    """Until one of them is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def vitals_of(config: EdgeConfig) -> Vitals:
    return Vitals(asyncio.get_running_loop().time, allowed_s(config), config.flush_ms / 1000)


async def obtain_enrolment(config: EdgeConfig, identity: Identity, entropy: Entropy) -> Enrolment:
    """Load, or enrol by the claim; a new claim beside an enrolment was put there to be used. Raises EnrolmentError,
    ConfigError or UplinkError."""
    claim = config.uplink.claim
    stored = load_enrolment(config.data, identity)
    if stored is not None:
        return await _again(config, identity, entropy, stored)
    if claim is None or not has_claim(claim):
        where = "uplink.claim names no file" if claim is None else f"{claim} is not there"
        raise EnrolmentError(f"no enrolment and no claim ({where}). Next: put the site's claim.toml there")
    return await _enrol(config.data, identity, claim, entropy)


async def _again(config: EdgeConfig, identity: Identity, entropy: Entropy, stored: Enrolment) -> Enrolment:
    """By a new claim where there is one: the server has another address, a broker, or books from before this gateway.
    One that cannot be used now changes nothing."""
    claim = config.uplink.claim
    if claim is None or not has_other_claim(config.data, claim):
        return stored
    try:
        return await _enrol(config.data, identity, claim, entropy)
    except (EnrolmentError, ConfigError, UplinkError) as error:
        log.error("the claim beside the enrolment was not used, what was there stays in force: %s", error)
        return stored


async def _enrol(data: Path, identity: Identity, claim: Path, entropy: Entropy) -> Enrolment:
    from tallystick_edge.uplink.enrol_https import post_enrolment

    enrolment = await enrol(data, identity, claim, SOFTWARE, entropy, post_enrolment)
    log.info("enrolled as %s at %s", identity.gid.hex(), enrolment.info.server)
    return enrolment


async def _post_renewal(info: ServerInfo, gid: str, request: bytes) -> bytes:
    from tallystick_edge.uplink.enrol_https import post_renewal

    return await post_renewal(info, gid, request)


def make_drivers(config: EdgeConfig, clock: Clock, replay: ReplayStore) -> Sequence[tuple[str, Driver]]:
    """One driver per line or adapter that has meters; libraries are loaded only when needed."""
    drivers: list[tuple[str, Driver]] = []
    profiles = cache(partial(load_profile, own=config.profiles))  # one for all its meters, not one each
    for line in config.lines:
        meters = [meter for meter in config.meters if meter.line == line.id]
        if meters:
            from tallystick_edge.drivers.modbus import ModbusDriver

            drivers.append((f"line {line.id}", ModbusDriver(line, meters, clock, profiles=profiles)))
    for adapter in config.adapters:
        meters = [meter for meter in config.meters if meter.adapter == adapter.id]
        if meters:
            from tallystick_edge.drivers.ble import BleDriver

            ble = BleDriver(adapter, meters, clock, replay, profiles=profiles)
            drivers.append((f"adapter {adapter.id}", ble))
    for point in config.charge_points:
        from tallystick_edge.drivers.charge_log import ChargeLog

        drivers.append((f"charge point {point.id}", ChargeLog(point, clock, replay)))
    return drivers


class DataLock:
    """Two agents on one journal would fork the chain; the second is refused."""

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_FILE
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            step = "check the folder, its owner and the disk"
            raise EdgeError(f"{self._path}: {error.strerror}. Next: {step}") from error
        give_to_owner_of(self._path.parent, self._descriptor)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise EdgeError(f"{self._path}: another agent runs on this data folder. Next: stop it first") from None

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
