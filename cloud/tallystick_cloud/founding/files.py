"""The files of a first community: its town file and its contract, as somebody would have written them by hand.

It never writes them anywhere.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from itertools import count

from tallystick_protocol.ids import PARTY_BYTES, PartyId, sha256
from tallystick_protocol.money.contract_toml import draft_contract
from tallystick_protocol.money.tariff import Tariff

from tallystick_cloud.errors import BadInput
from tallystick_cloud.parties.model import ROLES

from . import templates
from .answers import NAMES, read_coefficients

TOWN = "town.toml"
CONTRACT = "contract.toml"
_QUOTED = re.compile(r'"([^"\\\n]*)"')


def contract_text(answers: Mapping[str, str]) -> str:
    """The template with the community's names, money, zone and first day."""
    template = templates.read(answers["contract.template"])
    head = {
        "community": _quoted(answers["community.id"]),
        "unit": _quoted(answers["community.currency"]),
        "zone": _quoted(answers["community.zone"]),
        "state": _quoted(answers["contract.state"]),
        "effective_from": answers["contract.from"],
    }

    def renamed(match: re.Match[str]) -> str:
        return _quoted(answers.get(NAMES + match[1], match[1]))

    text = _QUOTED.sub(renamed, template.text)
    for name, value in head.items():
        at = re.search(rf"^{name} = [^#\n]*?(?= *(#.*)?$)", text, re.M)
        if at is not None:
            text = f"{text[: at.start()]}{name} = {value}{text[at.end() :]}"
    file = answers.get("contract.coefficients")
    return _with_coefficients(text, answers) if file else text


def _with_coefficients(text: str, answers: Mapping[str, str]) -> str:
    """The hash of the file of coefficients in place of parts that hold always. Raises BadInput for another file."""
    data, hours, meters = read_coefficients(answers["contract.coefficients"])
    year, values = date.fromisoformat(answers["contract.from"]).year, tomllib.loads(text)
    consumers = {one["asset"] for one in values["asset"] if one.get("direction") == "withdrawn"}
    if meters != consumers:
        wrong = ", ".join(sorted(meters ^ consumers)[:3])
        raise BadInput("--coefficients", f"names other meters than the contract ({wrong}); each flat needs its column")
    if hours != (days := (date(year + 1, 1, 1) - date(year, 1, 1)).days) * 24:
        raise BadInput("--coefficients", f"has {hours} hours; {year}, in which the contract begins, has {days * 24}")
    text = re.sub(r"^(part|#? ?coefficients) = .*\n", "", text, flags=re.M)
    named = f'coefficients = "{sha256(data).hex()}" # SHA-256 of the file with each hour\'s parts'
    return re.sub(r"^(consumers = .*)$", rf"\1\n{named}", text, count=1, flags=re.M)


def town_text(answers: Mapping[str, str]) -> str:
    """Everybody with a key that the server keeps; each of the contract's assets at the one site."""
    parts = [_community(answers)]
    parts += [_party(name, form, roles, iban) for name, (form, roles, iban) in _parties(answers).items()]
    if "site.name" in answers:
        parts += _site(answers)
    parts.append(f'[[contract]]\nfile = "{CONTRACT}"\nstate = {_quoted(answers["contract.state"])}\n')
    return "\n".join(parts)


def _site(answers: Mapping[str, str]) -> list[str]:
    """The contract's assets, and the one site where they and their meters are."""
    parts, site = [], slug_of(answers["site.name"])
    for asset in templates.read(answers["contract.template"]).values["asset"]:
        kind = asset["asset"].rstrip("0123456789").rstrip("-") or asset["asset"]
        user = f"user = {_quoted(answers[NAMES + asset['user']])}\n" if "user" in asset else ""
        parts.append(
            f"[[asset]]\nid = {_quoted(asset['asset'])}\nname = {_quoted(asset['asset'])}\nkind = {_quoted(kind)}\n"
            f"site = {_quoted(site)}\nowner = {_quoted(answers['community.name'])}\n"
            f"{user}"
        )
    parts.append(f"[[site]]\nid = {_quoted(site)}\nname = {_quoted(answers['site.name'])}\n")
    return [*parts, *_channels(answers)]


def slug_of(name: str) -> str:
    """A site's id from its name."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:40].strip("-") or "site"


def _community(answers: Mapping[str, str]) -> str:
    names = {"id": "id", "name": "name", "zone": "zone", "unit": "currency", "log": "log"}
    lines = [f"{name} = {_quoted(answers[f'community.{key}'])}" for name, key in names.items()]
    return "version = 1\n\n[community]\n" + "\n".join(lines) + "\n"


def _parties(answers: Mapping[str, str]) -> dict[str, tuple[str, list[str], str]]:
    """name -> (form, roles, IBAN); one who is somebody in the contract as well is one party."""
    template = templates.read(answers["contract.template"])
    found: dict[str, tuple[str, list[str], str]] = {}

    def add(name: str, form: str, role: str, iban: str = "") -> None:
        known, roles, account = found.get(name, (form, [], ""))
        found[name] = (known, [*roles, role] if role in ROLES and role not in roles else roles, account or iban)

    add(answers["community.name"], "organisation", "owner", answers["bank.iban"])
    for person in (answers["people.manager"], answers["people.approver"]):
        add(person, "person", "community_manager")
    for one in template.values["party"]:
        role = one["role"]
        add(answers[NAMES + one["name"]], "fund" if role == "fund" else "organisation", role)
    for one in template.values.get("user", []):
        add(answers[NAMES + one["name"]], "person", "user")
    return found


def _party(name: str, form: str, roles: list[str], iban: str) -> str:
    account = f"iban = {_quoted(iban)}\n" if iban else ""
    return f'[[party]]\nname = {_quoted(name)}\nform = "{form}"\nroles = {json.dumps(roles)}\nkey = "hosted"\n{account}'


def _channels(answers: Mapping[str, str]) -> list[str]:
    template = templates.read(answers["contract.template"])
    numbers = count(1)
    ids = {name: PartyId(next(numbers).to_bytes(PARTY_BYTES, "big")) for name in template.names}
    tariff = draft_contract(template.text, ids, bytes).contract.tariff
    if not isinstance(tariff, Tariff):
        raise BadInput("--template", "prices no meter's counts; see `tallystick community import --help`")
    found = []
    for number, asset in enumerate(template.values["asset"], start=1):
        name = _quoted(asset["asset"])
        found.append(
            f"[[site.channel]]\nnumber = {number}\nmeter = {name}\nasset = {name}\n"
            f"quantity = {_quoted(asset['quantity'])}\nunit = {_quoted(tariff.count_unit)}\n"
            f'exponent = {tariff.count_exponent}\nform = "{tariff.form}"\nprofile = "first-meter"\n'
        )
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
