"""The four troubles that a demo makes by itself, once each, and how each of them ended.
They are done to the town from outside; nothing in the agents or the aggregator knows that it is a demo."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tallystick_sim.plan import WASHERS, Gateway
from tallystick_sim.snapshot import Snapshot
from tallystick_sim.town import Town

LATE_MS = 600  # real; twice what the agents wait for an answer, so it arrives in the middle of the next question
CUT_S = 6.0  # real; at 60x six minutes without a network, several batches
DOWN_S = 1.5  # real; a reboot
RECOVERY_TIMEOUT_S = 60.0  # real; a few seconds on an idle machine
LATE_ALARM_TIMEOUT_S = 4.0  # the guard may also have dropped the answer before it could be taken for another's
POLL_S = 0.2
CUT_OFF, KILLED = Gateway.CELLAR, Gateway.ATTIC
LATE_METER = WASHERS[0].name
ALARMS = "/situation/alarms.csv?alarms=all"


class Kind(StrEnum):
    """What goes wrong; the names are those of the report."""

    LATE_ANSWER = "late-modbus-answer"
    REPLAYED_ADVERT = "replayed-advert"
    NETWORK_CUT = "network-cut"
    GATEWAY_KILLED = "gateway-killed"


@dataclass(frozen=True, slots=True)
class Fault:
    """One trouble that was made: what it was, and how it ended. `at_s`: real seconds after the doors opened."""

    kind: Kind
    at_s: int
    what: str
    ended: str
    recovered: bool


Look = Callable[[], Awaitable[Snapshot]]
Tell = Callable[[str], None]


class Troublemaker:
    """`look` gives the aggregator's present figures, `tell` adds a sentence to the story."""

    def __init__(self, town: Town, look: Look, tell: Tell) -> None:
        self._town = town
        self._look = look
        self._tell = tell
        self._opened = time.monotonic()
        self.faults: list[Fault] = []
        self.states = {name.value: "running" for name in Gateway}

    async def run(self, seconds: float) -> None:
        """All four, spread over `seconds` of real time from now."""
        self._opened = time.monotonic()
        for part, trouble in (
            (0.15, self.late_answer),
            (0.25, self.replayed_advert),
            (0.30, self.network_cut),
            (0.65, self.gateway_killed),
        ):
            await asyncio.sleep(max(0.0, self._opened + part * seconds - time.monotonic()))
            await trouble()

    async def late_answer(self) -> None:
        what = f"{LATE_METER} answers {LATE_MS} ms late"
        self._tell(f"trouble: {what}")
        await self._town.ask("late", meter=LATE_METER, ms=LATE_MS)
        played = await self._until(self._late_was_played)
        told = played and await self._until(lambda: self._alarm_says(LATE_METER, "stale"), LATE_ALARM_TIMEOUT_S)
        ended = "the answer was thrown away" + (", the operator told" if told else "") + ", the meter read again"
        self._end(Kind.LATE_ANSWER, what, ended if played else "nobody asked that meter", played)

    async def replayed_advert(self) -> None:
        what = "somebody sends a recorded advert of the water sensor again"
        self._tell(f"trouble: {what}")
        await self._town.ask("replay")
        told = await self._until(lambda: self._alarm_says("hot-water", "replayed"))
        ended = "its packet counter was old: not counted, and the operator told"
        self._end(Kind.REPLAYED_ADVERT, what, ended if told else "nobody noticed", told)

    async def network_cut(self) -> None:
        site = self._town.gateways[CUT_OFF]
        what = f"the network of gateway {CUT_OFF} swallows everything for {CUT_S:.0f} s"
        self._tell(f"trouble: {what}")
        self.states[CUT_OFF.value] = "cut off"
        site.proxy.cut()
        await asyncio.sleep(CUT_S)
        before = (await self._look()).batches_of(CUT_OFF.value)
        site.proxy.heal()
        recovered = await self._heard_again(CUT_OFF, before)
        ended = "it kept everything, and sent it again until it held the receipts"
        self._end(Kind.NETWORK_CUT, what, ended if recovered else "it was not heard again", recovered)
        self.states[CUT_OFF.value] = "running"

    async def gateway_killed(self) -> None:
        site = self._town.gateways[KILLED]
        what = f"gateway {KILLED} is killed with -9, and starts again after {DOWN_S} s"
        self._tell(f"trouble: {what}")
        self.states[KILLED.value] = "killed"
        await site.child.kill()
        before = (await self._look()).batches_of(KILLED.value)
        await asyncio.sleep(DOWN_S)
        await site.child.start()
        recovered = await self._heard_again(KILLED, before)
        ended = "it went on from its journal where it had left off"
        self._end(Kind.GATEWAY_KILLED, what, ended if recovered else "it was not heard again", recovered)
        self.states[KILLED.value] = "running"

    async def _heard_again(self, gateway: Gateway, batches: int) -> bool:
        async def heard() -> bool:
            return (await self._look()).batches_of(gateway.value) > batches

        return await self._until(heard)

    async def _late_was_played(self) -> bool:
        return bool((await self._town.ask("played", meter=LATE_METER, fault="late"))["count"])

    async def _alarm_says(self, asset: str, word: str) -> bool:
        """Whether an alarm about `asset` has come all the way: noticed by the agent, signed, sent, booked, shown."""
        lines = (await self._town.outside.text(ALARMS)).splitlines()
        return any(f"{asset}:" in line and word in line for line in lines)

    async def _until(self, condition: Callable[[], Awaitable[bool]], timeout_s: float = RECOVERY_TIMEOUT_S) -> bool:
        deadline = time.monotonic() + timeout_s
        while not await condition():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _end(self, kind: Kind, what: str, ended: str, recovered: bool) -> None:
        self.faults.append(Fault(kind, int(time.monotonic() - self._opened), what, ended, recovered))
        self._tell(f"{'ended' if recovered else 'NOT RECOVERED'}: {ended}")
