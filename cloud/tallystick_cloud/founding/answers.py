"""What founding a community needs to know: each question with its flag, its check and what is taken without an answer.

It never writes anything; a wrong answer is refused where it is given, with what to write instead.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tallystick_protocol.checkpoint import check_origin
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.errors import ZoneError
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.errors import BadInput
from tallystick_cloud.gateways.claim_files import server_url
from tallystick_cloud.parties.model import check_iban, check_name
from tallystick_cloud.pools.grid_file import FILE_BYTES_MAX, coefficient_columns
from tallystick_cloud.town.table import SLUG, read_file

from . import templates

Answers = dict[str, str]
NAMES = "names."
_MONEY = re.compile(r"[A-Z]{3}")
_STATES = ("shadow", "live")


@dataclass(frozen=True, slots=True)
class Question:
    """`key`: its name in an answers file (`community.id`). `without`: what is taken without an answer, if anything."""

    key: str
    flag: str
    words: str
    check: Callable[[str], str]  # raises BadInput
    without: Callable[[Mapping[str, str]], str | None]
    is_asked: Callable[[Mapping[str, str]], bool] = lambda found: True


Ask = Callable[[Question, str | None], str]
"""Asks a person until the answer is good."""


def complete(given: Mapping[str, str], today: date, ask: Ask | None) -> Answers:
    """Every answer, checked; raises BadInput naming the flag of one that is missing or wrong."""
    found: Answers = {}
    for question in questions(today):
        if question.is_asked(found):
            found[question.key] = _answer(question, given, found, ask)
        elif question.key in given:
            raise BadInput(question.flag, f"means nothing with the contract {found['contract.template']}; leave it out")
    if found["people.approver"] == found["people.manager"]:
        raise BadInput("--approver", "is the manager; money is released by two different people")
    template = templates.read(found["contract.template"])
    for name in template.names:
        found[NAMES + name] = _answer(_naming(template, name), given, found, ask)
    renamed = [found[NAMES + name] for name in template.names]
    if len(set(renamed)) != len(renamed):
        raise BadInput("--rename", "gives two of the contract's names to one party; each needs its own")
    for key in given:
        if key not in found:
            raise BadInput(key, f"is not asked here; the contract's names are: {', '.join(template.names)}")
    return found


def _answer(question: Question, given: Mapping[str, str], found: Answers, ask: Ask | None) -> str:
    if question.key in given:
        return question.check(given[question.key])
    default = question.without(found)
    if ask is not None:
        return ask(question, default)
    if default is None:
        raise BadInput(question.flag, f"is missing ({question.words.lower()}); in an answers file it is {question.key}")
    return question.check(default)


def questions(today: date) -> tuple[Question, ...]:
    """In the order in which they are asked: each may use the answers before it."""
    return (
        Question("community.name", "--community", "Name of the community", _named("--community"), _nothing),
        Question("community.id", "--id", "Short name, for commands", _slug("--id"), _id_of_name),
        Question("contract.template", "--template", _TEMPLATES, _template, lambda found: "laundry"),
        Question("community.currency", "--currency", "Currency", _currency, lambda found: _says(found, "unit", "EUR")),
        Question("community.zone", "--zone", "Time zone", _zone, lambda found: _says(found, "zone", "Europe/Berlin")),
        Question("site.server", "--server", "How gateways reach this server", _server, lambda found: _LOCAL),
        Question("community.log", "--log", "A name for its log that the community owns", _log, _log_of_id),
        Question("people.manager", "--manager", "Who manages it (a person)", _named("--manager"), _nothing),
        Question("people.approver", "--approver", "Who approves with them (another)", _named("--approver"), _nothing),
        Question("bank.iban", "--iban", "The community's bank account (IBAN; empty: later)", _iban, lambda found: ""),
        Question("contract.state", "--state", "Bill at once (live), or compute only (shadow)", _state, _shadow),
        Question("contract.from", "--from", "First day of the contract", _day, lambda found: _first(found, today)),
        Question("contract.coefficients", "--coefficients", _PARTS, _coefficients, lambda found: "", _has_parts),
        Question(
            "site.name", "--site", "Where the first gateway is", _named("--site"), lambda found: "Cellar", _has_site
        ),
    )


_LOCAL = "https://localhost:8443"
_TEMPLATES = f"First contract ({', '.join(templates.names())}, or a contract file of yours)"
_PARTS = "File of each flat's part by the hour (empty: the parts in the contract)"


def _naming(template: templates.Template, name: str) -> Question:
    words = f"Who is {name!r} in the contract ({template.role(name)})"

    def without(found: Mapping[str, str]) -> str:
        return found["community.name"] if name == template.collector else name

    return Question(NAMES + name, f"--rename '{name}=...'", words, _named("--rename"), without)


def _nothing(found: Mapping[str, str]) -> None:
    return None


def _id_of_name(found: Mapping[str, str]) -> str | None:
    words = re.findall(r"[a-z0-9]+", found["community.name"].lower())
    return "-".join(words)[:40].strip("-") or None


def _log_of_id(found: Mapping[str, str]) -> str:
    host = found["site.server"].removeprefix("https://").partition("/")[0].partition(":")[0]
    return f"{host}/{found['community.id']}"


def _shadow(found: Mapping[str, str]) -> str:
    return "shadow"


def _first(found: Mapping[str, str], today: date) -> str:
    template = templates.read(found["contract.template"])
    return str(template.values["effective_from"]) if template.is_own else today.replace(day=1).isoformat()


def _says(found: Mapping[str, str], key: str, otherwise: str) -> str:
    """What the contract says, where it is of one country or the founder's own; a laundry may stand anywhere."""
    template = templates.read(found["contract.template"])
    return str(template.values[key]) if template.is_pool or template.is_own else otherwise


def _has_parts(found: Mapping[str, str]) -> bool:
    return templates.read(found["contract.template"]).has_coefficients


def _has_site(found: Mapping[str, str]) -> bool:
    return not templates.read(found["contract.template"]).is_pool


def _named(flag: str) -> Callable[[str], str]:
    return lambda text: check_name(flag, text.strip())


def _slug(flag: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not SLUG.fullmatch(text):
            raise BadInput(flag, f"is {text!r}; use a-z, 0-9 and '-', at most 64 characters")
        return text

    return check


def _currency(text: str) -> str:
    if not _MONEY.fullmatch(text):
        raise BadInput("--currency", f"is {text!r}; write its three letters, such as EUR")
    return text


def _zone(text: str) -> str:
    try:
        offsets_of(text)
    except (ZoneError, ValueError, OSError):
        raise BadInput("--zone", f"is {text!r}; write region and city, such as Europe/Rome") from None
    return text


def _server(text: str) -> str:
    return server_url(text)


def _log(text: str) -> str:
    try:
        return check_origin(text)
    except ProtocolError as error:
        raise BadInput("--log", f"{error.reason}; write a name such as tally.example/us") from None


def _iban(text: str) -> str:
    return check_iban("--iban", text) if text else ""


def _template(text: str) -> str:
    templates.read(text)
    return text


def _coefficients(text: str) -> str:
    if text:
        read_coefficients(text)
    return text


def read_coefficients(path: str) -> tuple[bytes, int, frozenset[str]]:
    """(the file, the hours of its year, its meters). Raises BadInput naming file, line and reason."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise BadInput("--coefficients", f"{path} is larger than {FILE_BYTES_MAX} bytes")
        hours, columns = coefficient_columns(data.decode("utf-8-sig"))
    except OSError as error:
        raise BadInput("--coefficients", f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise BadInput("--coefficients", f"{path} is not UTF-8") from None
    except BadInput as error:
        raise BadInput("--coefficients", f"{path}, {error.field} {error.reason}") from None
    return data, hours, frozenset(columns)


def _state(text: str) -> str:
    if text not in _STATES:
        raise BadInput("--state", f"is {text!r}; use {' or '.join(_STATES)}")
    return text


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadInput("--from", f"is {text!r}; write YYYY-MM-DD") from None


def read_answers(path: Path) -> Answers:
    """An answers file (TOML): tables community, people, bank, contract, site, names. Raises BadInput."""
    root = read_file(path)
    root.integer("version", 1, 1)
    found: Answers = {}
    keys = [question.key.partition(".") for question in questions(date(2000, 1, 1))]
    for section in dict.fromkeys(section for section, _, _ in keys):
        if root.has(section):
            table = root.one(section)
            for name in [name for one, _, name in keys if one == section and table.has(name)]:
                found[f"{section}.{name}"] = table.day_or_text(name)
            table.done()
    if root.has("names"):
        table = root.one("names")
        for name in table.names():
            found[NAMES + name] = table.text(name)
    root.done()
    return found
