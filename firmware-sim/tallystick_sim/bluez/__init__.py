"""Simulated Bluetooth: org.bluez on a private socket, the air around it, and the devices in it.
Stock bleak talks to it through DBUS_SYSTEM_BUS_ADDRESS; nothing here is imported by the agent."""

from tallystick_sim.bluez.bthome_sensor import BthomeSensor
from tallystick_sim.bluez.climate import ClimateStation, RuuviTag, Thermometer
from tallystick_sim.bluez.counting import Bicycle, WasteScale
from tallystick_sim.bluez.emulator import BluezEmulator, running
from tallystick_sim.bluez.peripheral import Characteristic, Peripheral, Service
from tallystick_sim.bluez.shelly_plug import ShellyPlug
from tallystick_sim.bluez.truth import ClimateTruth, PowerTruth, WaterTruth, WheelTruth

__all__ = [
    "Bicycle",
    "BluezEmulator",
    "BthomeSensor",
    "Characteristic",
    "ClimateStation",
    "ClimateTruth",
    "Peripheral",
    "PowerTruth",
    "RuuviTag",
    "Service",
    "ShellyPlug",
    "Thermometer",
    "WasteScale",
    "WaterTruth",
    "WheelTruth",
    "running",
]
