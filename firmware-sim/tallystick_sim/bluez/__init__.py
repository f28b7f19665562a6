"""Simulated Bluetooth: org.bluez on a private socket, the air around it, and the devices in it.
Stock bleak talks to it through DBUS_SYSTEM_BUS_ADDRESS; nothing here is imported by the agent."""

from tallystick_sim.bluez.bthome_sensor import BthomeSensor
from tallystick_sim.bluez.emulator import BluezEmulator, running
from tallystick_sim.bluez.peripheral import Characteristic, Peripheral, Service
from tallystick_sim.bluez.shelly_plug import ShellyPlug
from tallystick_sim.bluez.truth import PowerTruth, WaterTruth

__all__ = [
    "BluezEmulator",
    "BthomeSensor",
    "Characteristic",
    "Peripheral",
    "PowerTruth",
    "Service",
    "ShellyPlug",
    "WaterTruth",
    "running",
]
