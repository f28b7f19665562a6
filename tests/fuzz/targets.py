"""All fuzz targets by name: every border of Tallystick that reads bytes from outside.
A new decoder is one more entry in one of these modules; docs/how-to/fuzz-a-decoder.md shows it."""

from __future__ import annotations

from fuzz.targets_bank import BANK
from fuzz.targets_cloud import CLOUD
from fuzz.targets_edge import EDGE
from fuzz.targets_files import FILES
from fuzz.targets_protocol import PROTOCOL

TARGETS = {target.name: target for target in (*PROTOCOL, *FILES, *CLOUD, *BANK, *EDGE)}
