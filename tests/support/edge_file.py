"""A gateway's configuration in which every kind of table stands: what tests spoil, and fuzzing begins with."""

GOOD = """\
version = 1
[gateway]
name = "cellar"
data = "data"
flush_s = 0.5
[uplink]
transport = "https"
claim = "claim.toml"
[[line]]
id = "rs485"
kind = "rtu"
device = "/dev/ttyUSB0"
baud = 19200
parity = "E"
[[adapter]]
id = "radio"
kind = "bluetooth"
[[meter]]
id = "washer-1"
line = "rs485"
unit = 11
profile = "eastron-sdm120"
every_s = 5
[[meter.channel]]
number = 1
register = "energy_import"
[[use]]
channel = 11
meter = "washer-1"
kind = "wash"
power = "power"
energy = "energy_import"
start_w = 15
end_w = 8
end_after_s = 120
billable_wh = 60
[[use.programme]]
name = "30"
heat_wh = 0
"""
