"""Pieces of town and contract files for communities that are written by program: people, assets, channels, a split.
The worlds of `orders` and `million` are made of them; each adds its own sizes, prices and energy contract."""

from __future__ import annotations

from collections.abc import Iterable

from support.books import NOTICE, PARTIES

FORMS = {"Coop": "organisation", "Bank": "organisation", "Fund": "fund"}  # all others are persons

COMMUNITY = """\
version = 1
[community]
id = "lindenhof"
name = "Lindenhof"
zone = "UTC"
unit = "EUR"
log = "log.example/lindenhof"
"""

LIVE_CONTRACTS = "".join(f'[[contract]]\nfile = "{name}.toml"\nstate = "live"\n' for name in ("washes", "energy"))

DAILY_NOTICE = NOTICE.replace('"month"', '"day"')

WASH_SPLIT = """\
[[split]]
to = "Repairer"
fixed = 0.15
[[split]]
to = { "Coop" = 2, "Bank" = 3 }
portion = "40 %"
cap = 31.40
cap_per = "lifetime"
counter = "loan of two owners"
[[split]]
to = { "Coop" = 4, "Fund" = 1 }
"""


def people(names: Iterable[str]) -> str:
    return "".join(f'[[party]]\nname = "{n}"\nform = "{FORMS.get(n, "person")}"\nkey = "hosted"\n' for n in names)


def users(names: Iterable[str]) -> str:
    return "".join(f'[[user]]\nname = "{name}"\n' for name in names)


def asset(kind: str, site: str) -> str:
    return f'[[asset]]\nid = "{kind}-{site}"\nname = "{kind}"\nkind = "{kind}"\n'


def site(name: str, channels: str) -> str:
    return f'[[site]]\nid = "{name}"\nname = "{name}"\n{channels}'


def flat_channel(number: int, flat: str, site: str) -> str:
    """A meter of energy that is billed by the interval."""
    return (
        f'[[site.channel]]\nnumber = {number}\nmeter = "m-{flat}-{site}"\nasset = "{flat}-{site}"\n'
        'quantity = "1-0:1.8.0"\nunit = "Wh"\nform = "interval"\nprofile = "test"\ntype_approval = "DE-1"\n'
    )


def washer_channel(number: int, site: str) -> str:
    """A counter of washes that are billed one by one."""
    return (
        f'[[site.channel]]\nnumber = {number}\nmeter = "m-washer-{site}"\nasset = "washer-{site}"\n'
        'quantity = "cycles"\nunit = "cycle"\nform = "event"\nprofile = "test"\n'
    )


def flat_of(flat: str, site: str, user: str) -> str:
    """A flat under a contract, paid by one of its users."""
    return f'[[asset]]\nasset = "{flat}-{site}"\nquantity = "1-0:1.8.0"\nuser = "{user}"\n'


def washer_of(site: str, user: str) -> str:
    return f'[[asset]]\nasset = "washer-{site}"\nquantity = "cycles"\nuser = "{user}"\n'


def contract(name: str, since: str, payers: Iterable[str], assets: str, terms: str, notice: str = DAILY_NOTICE) -> str:
    """A whole contract file, live from the day `since`; rating periods are days."""
    head = f'version = 1\nname = "{name}"\ncommunity = "lindenhof"\nunit = "EUR"\nzone = "UTC"\nstate = "live"\n'
    return f'{head}collector = "Coop"\neffective_from = {since}\n{PARTIES}{users(payers)}{assets}{terms}{notice}'
