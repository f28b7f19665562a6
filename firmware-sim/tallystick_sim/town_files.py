"""The demo's community as files that a person could have written: the town, and its contracts.
It only makes text; reading, checking and refusing it is the aggregator's work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files

from tallystick_sim.members import MEMBERS, SLOTS, slot_of, starts, town_blocks, user_blocks, users_of
from tallystick_sim.plan import (
    DRYER_CHANNEL,
    HOUSE_CHANNEL,
    HOUSE_SERIAL,
    WASHERS,
    WATER_CHANNEL,
    Gateway,
    Washer,
)
from tallystick_sim.slots import Slots

COMMUNITY = "aurora"
CONTRACTS = (
    ("washes", "live"),
    *((f"washes-{number}", "live") for number in range(2, SLOTS + 2)),
    ("hot-water", "live"),
    ("house", "live"),
    ("dryer", "shadow"),
    ("wash-energy", "shadow"),
)
"""File name and state of each contract; the texts are in the folder `contracts`."""
FOLLOWS = {"washes-2": "washes"} | {f"washes-{number}": f"washes-{number - 1}" for number in range(3, SLOTS + 2)}
"""Later version -> the version that it follows: from the demo's day on, then one per slot of the laundry's plan."""
IN_FORCE_BEFORE = timedelta(days=30)  # the contracts were agreed a month before the demo's day


def town_toml() -> str:
    """The community with its parties, assets, sites with meter plans, and contracts."""
    return "\n".join((_HEAD, town_blocks(), _assets(), *(_site(gateway) for gateway in Gateway), _contracts()))


def contract_files(slots: Slots) -> dict[str, str]:
    """File name -> text of every contract; first versions are in force since a month before the plan begins."""
    return {f"{name}.toml": _contract_text(name, slots) for name, _ in CONTRACTS}


def _contract_text(name: str, slots: Slots) -> str:
    folder = files("tallystick_sim") / "contracts"
    version = int(name.rpartition("-")[2]) if name in FOLLOWS else 1
    text = (folder / ("washes-2.toml" if version > 1 else f"{name}.toml")).read_text()
    since = datetime.fromtimestamp(slots.first_ms // 1000, UTC) - IN_FORCE_BEFORE
    slot = slot_of(version)
    words = {"# USERS\n": user_blocks(slot), "SINCE": f"{since:%Y-%m-%d}", "BEGIN": starts(slot, slots)}
    words |= {f"USER {number}": user for number, user in enumerate(users_of(slot), 1)}
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


_HEAD = f"""\
version = 1

[community]
id = "{COMMUNITY}"
name = "Casa Aurora"
zone = "Europe/Rome"
unit = "EUR"
log = "tallystick.example/{COMMUNITY}"
latitude = 46.4981
longitude = 11.3529

[[party]]
name = "Casa Aurora"
form = "organisation"
roles = ["owner"]
iban = "IT60X0542811101000000123456"
key = "hosted"

[[party]]
name = "Giulia Ferrari"
roles = ["community_manager", "installer"]
key = "hosted"

[[party]]
name = "City of Bolzano"
form = "organisation"
roles = ["city_operator", "auditor"]

[[party]]
name = "Elena Moser"
roles = ["financier", "owner"]
iban = "AT611904300234573201"
key = "hosted"

[[party]]
name = "Kofler Repairs"
form = "organisation"
roles = ["servicer"]
iban = "DE89370400440532013000"
key = "hosted"

[[party]]
name = "Bank of Neighbours"
form = "organisation"
roles = ["financier"]
iban = "NL91ABNA0417164300"
key = "hosted"

[[party]]
name = "House fund"
form = "fund"
key = "hosted"

"""
_USERS = dict(zip((washer.name for washer in WASHERS), MEMBERS[: len(WASHERS)], strict=True))
_NAMES = {
    "washer-1": "Washing machine left",
    "washer-2": "Washing machine right",
    "washer-3": "Washing machine, attic",
    "washer-4": "Washing machine, big",
    "washer-5": "Washing machine, attic window",
    "washer-6": "Washing machine, attic door",
}
_PLACES = {
    Gateway.CELLAR: ("Laundry in the cellar", "Via Roma 12, Bolzano", "46.4978", "11.3524"),
    Gateway.ATTIC: ("Drying attic and meter room", "Via Roma 12, Bolzano", "46.4986", "11.3537"),
}


def _assets() -> str:
    elena, aurora = "Elena Moser", "Casa Aurora"
    rows = [_asset(w.name, _NAMES[w.name], "washing-machine", w.gateway, aurora, _USERS[w.name]) for w in WASHERS]
    rows.append(_asset("dryer", "Dryer", "dryer", Gateway.CELLAR, elena, "Family Conti"))
    rows.append(_asset("hot-water", "Hot water", "water", Gateway.CELLAR, aurora, "Ahmed Haddad"))
    rows.append(_asset("house", "House connection", "electricity", Gateway.ATTIC, aurora, "Flat share, top floor"))
    return "\n".join(rows)


def _asset(name: str, title: str, kind: str, gateway: Gateway, owner: str, user: str) -> str:
    return f"""\
[[asset]]
id = "{name}"
name = "{title}"
kind = "{kind}"
site = "{gateway.value}"
owner = "{owner}"
user = "{user}"
"""


def _site(gateway: Gateway) -> str:
    name, address, latitude, longitude = _PLACES[gateway]
    channels = [text for washer in WASHERS if washer.gateway is gateway for text in _washer_channels(washer)]
    match gateway:
        case Gateway.CELLAR:
            channels.append(_channel(DRYER_CHANNEL, "dryer", "1-0:1.8.0", "Wh", "shelly-plug-gen3", exponent=-3))
            water = "\n".join(("modulus = 4294967296", ""))
            channels.append(_channel(WATER_CHANNEL, "hot-water", "8-0:1.0.0", "l", "bthome-water", exponent=-3) + water)
        case Gateway.ATTIC:
            house = "\n".join((f'serial = "{HOUSE_SERIAL}"', 'type_approval = "MID"', ""))
            channels.append(_channel(HOUSE_CHANNEL, "house", "1-0:1.8.0", "Wh", "schneider-iem3155") + house)
    head = f"""\
[[site]]
id = "{gateway.value}"
name = "{name}"
address = "{address}"
latitude = {latitude}
longitude = {longitude}
"""
    return "\n".join((head, *channels))


def _washer_channels(washer: Washer) -> tuple[str, str]:
    serial = f'serial = "{washer.serial}"\n'
    energy = _channel(washer.energy, washer.name, "1-0:1.8.0", "Wh", "eastron-sdm120") + serial
    cycles = _channel(washer.cycles, washer.name, "cycles", "cycle", "eastron-sdm120", form="event") + serial
    return energy, cycles


def _channel(
    number: int, name: str, quantity: str, unit: str, profile: str, *, exponent: int = 0, form: str = "interval"
) -> str:
    return f"""\
[[site.channel]]
number = {number}
meter = "{name}"
asset = "{name}"
quantity = "{quantity}"
unit = "{unit}"
exponent = {exponent}
form = "{form}"
profile = "{profile}"
"""


def _contracts() -> str:
    return "\n".join(_contract(name, state) for name, state in CONTRACTS)


def _contract(name: str, state: str) -> str:
    after = f'after = "{FOLLOWS[name]}.toml"\n' if name in FOLLOWS else ""
    return f'[[contract]]\nfile = "{name}.toml"\n{after}state = "{state}"\n'
