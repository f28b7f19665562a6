"""What can go wrong with bluetoothd, the bus and the air, one method each.
It breaks things on command and never by chance; chance belongs to whoever draws it from a seed."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from tallystick_sim.bluez.adapter import Adapter
from tallystick_sim.bluez.bus import Bus
from tallystick_sim.bluez.errors import BluezError, failed, in_progress, not_ready
from tallystick_sim.bluez.links import Links
from tallystick_sim.bluez.peripheral import Peripheral


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call is answered with this error."""

    error: BluezError


@dataclass(frozen=True, slots=True)
class Silence:
    """The call is never answered."""


@dataclass(frozen=True, slots=True)
class LoseLink:
    """The link breaks while the call is under way; the call fails."""


Misfortune = Refuse | Silence | LoseLink


class Faults:
    """Faults by method. Those that say `times` strike the next calls of a D-Bus member and are then used up."""

    def __init__(self, bus: Bus, adapter: Adapter, links: Links) -> None:
        self._bus = bus
        self._adapter = adapter
        self._links = links
        self._due: defaultdict[str, deque[Misfortune]] = defaultdict(deque)

    def take(self, member: str) -> Misfortune | None:
        """The fault due for this call, which it uses up."""
        due = self._due.get(member)
        return due.popleft() if due else None

    def refuse(self, member: str, error: BluezError, times: int = 1) -> None:
        self._due[member].extend([Refuse(error)] * times)

    def in_progress(self, member: str = "StartDiscovery", times: int = 1) -> None:
        self.refuse(member, in_progress(), times)

    def not_ready(self, member: str = "StartDiscovery", times: int = 1) -> None:
        self.refuse(member, not_ready(), times)

    def abort_connect(self, times: int = 1) -> None:
        self.refuse("Connect", failed("Software caused connection abort"), times)

    def no_answer(self, member: str, times: int = 1) -> None:
        self._due[member].extend([Silence()] * times)

    def link_loss_during(self, member: str = "ReadValue", times: int = 1) -> None:
        self._due[member].extend([LoseLink()] * times)

    def link_loss(self, peripheral: Peripheral) -> None:
        """The link breaks now."""
        self._links.drop(peripheral)

    def away(self, peripheral: Peripheral) -> None:
        """Out of range or without power: no adverts, no link, no answer to Connect."""
        self._links.drop(peripheral)
        peripheral.present = False

    def back(self, peripheral: Peripheral) -> None:
        peripheral.present = True

    def forget(self, peripheral: Peripheral) -> None:
        """bluetoothd drops the device object, as it does with devices it has not heard for a while."""
        self._links.drop(peripheral)
        self._adapter.forget(self._adapter.device_path(peripheral))

    def bus_loss(self) -> None:
        """The message bus restarts: every client is cut, the socket keeps listening."""
        self._bus.drop_all()

    async def bus_away(self) -> None:
        """The message bus stops: every client is cut and nobody can connect."""
        await self._bus.close()

    async def bus_back(self) -> None:
        await self._bus.listen()

    def adapter_gone(self) -> None:
        self._links.drop_all()
        self._adapter.pull_out()

    def adapter_back(self) -> None:
        self._adapter.plug_in()

    def powered_off(self) -> None:
        self._links.drop_all()
        self._adapter.set_powered(False)

    def powered_on(self) -> None:
        self._adapter.set_powered(True)

    def mute_air(self) -> None:
        """Nothing is heard any more and nothing says so."""
        self._adapter.muted = True

    def unmute_air(self) -> None:
        self._adapter.muted = False

    def wedge_radio(self) -> None:
        """The controller hangs: nothing is heard until its power was off and on again."""
        self._adapter.wedged = True
