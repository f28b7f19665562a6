"""What a town file says, as values.

It never touches a database or a key.
"""

from dataclasses import dataclass
from pathlib import Path

from tallystick_cloud.assets.model import NewSite
from tallystick_cloud.parties.model import NewParty

HOSTED = "hosted"  # the server keeps this party's signing key; its members know that they trust it with that


@dataclass(frozen=True, slots=True)
class TownParty:
    new: NewParty
    hosted: bool
    key: Path | None  # a public key in PEM


@dataclass(frozen=True, slots=True)
class TownAsset:
    id: str
    name: str
    kind: str
    site: str | None
    owner: str | None
    user: str | None
    essential: bool
    latitude_e7: int | None
    longitude_e7: int | None


@dataclass(frozen=True, slots=True)
class TownContract:
    file: Path
    live: bool
    after: Path | None = None  # the file of the version that it follows


@dataclass(frozen=True, slots=True)
class Town:
    id: str
    name: str
    zone: str
    unit: str
    log_origin: str
    latitude_e7: int | None
    longitude_e7: int | None
    parties: tuple[TownParty, ...]
    assets: tuple[TownAsset, ...]
    sites: tuple[NewSite, ...]
    contracts: tuple[TownContract, ...]
