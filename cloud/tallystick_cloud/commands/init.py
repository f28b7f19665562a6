"""`tallystick init`: a server's folder and, from a handful of answers, its first community.

It never changes a folder that has a community already: it says what is there and what comes next.
"""

import argparse
import json
import shlex
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.engine import make_url
from tallystick_protocol.money.rating import AT_CLOSE

from tallystick_cloud import schema
from tallystick_cloud.clock import SystemEntropy, real_utc
from tallystick_cloud.commands.common import Commands, ask, command, home_of, opened
from tallystick_cloud.commands.community import import_into
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.founding import answers as founding
from tallystick_cloud.founding.answers import NAMES, Answers, Question
from tallystick_cloud.founding.files import CONTRACT, TOWN, contract_text, slug_of, town_text
from tallystick_cloud.gateways.claim_files import claim_files
from tallystick_cloud.home import NAMES as NAMES_HERE
from tallystick_cloud.home import Home, create
from tallystick_cloud.pools import service as pools
from tallystick_cloud.town.service import check_contracts
from tallystick_cloud.town.toml import load_town

FILES, CLAIMS = "community", "claims"

EXAMPLES = """\
  tallystick init --data /var/lib/tallystick
  tallystick init --data D --community 'Lindenhof eG' --manager 'Maria Rossi' --approver 'Jon Berg' --yes
  tallystick init --data D --answers answers.toml --yes --json
  tallystick init --data D --name tally.example
  tallystick init --data D --template energy-community-italy --community 'CER Sole' --manager 'Giulia Ferrari' \
    --approver 'Marco Riva' --rename 'Anna=Anna Conti' --state live --from 2026-01-01 --yes
  tallystick init --data D --template my-contract.toml --community 'Tejado Sol' --manager 'Ana Vidal' \
    --approver 'Pau Serra' --coefficients parts-2026.txt --yes

On a terminal it asks, one question after the other. Without a terminal and without answers it makes the folder alone.

an answers file (all but name, manager and approver may be left out):
  version = 1

  [community]
  name = "Lindenhof eG"
  id = "lindenhof"
  currency = "EUR"
  zone = "Europe/Berlin"
  log = "tally.example/lindenhof"      # a name that the community owns

  [people]
  manager = "Maria Rossi"
  approver = "Jon Berg"                # releases money together with the manager

  [bank]
  iban = "DE89 3704 0044 0532 0130 00"

  [contract]
  template = "laundry"                 # `tallystick contract template` shows each; or a contract file of yours
  state = "shadow"                     # compute only; "live" bills at once
  from = 2026-12-01

  [site]
  name = "Wash cellar"
  server = "https://tally.example:8443"  # how gateways reach this server

  [names]                              # who is who in the contract
  "Repair workshop" = "Berger & Co"
"""


def add(commands: Commands) -> None:
    made = command(commands, "init", init, "Make an aggregator's folder and its first community.", EXAMPLES)
    made.add_argument("--name", action="append", default=[], metavar="HOST", help="also a host of its servers")
    made.add_argument("--answers", type=Path, metavar="FILE", help="answers in TOML; flags win over it")
    for question in founding.questions(real_utc().date()):
        made.add_argument(question.flag, dest=question.key, metavar="TEXT", help=question.words.replace("%", "%%"))
    made.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="who somebody in the template is; repeatable"
    )
    made.add_argument("--yes", action="store_true", help="do not ask before writing")
    made.add_argument("--json", action="store_true", help="print JSON")


def init(parsed: argparse.Namespace) -> int:
    home = home_of(parsed)
    given = _given(parsed)
    there = _standing(home)
    if there:
        return _tell_standing(parsed, home, there, given)
    has_person = sys.stdin.isatty()
    if not given and not (has_person and _wants("Found the first community now?")):
        create(home, real_utc(), parsed.name)
        print(f"aggregator ready in {home.data}; next: tallystick community import town.toml --data {home.data}")
        return 0
    found = founding.complete(given, real_utc().date(), _ask if has_person else None)
    files = {TOWN: town_text(found), CONTRACT: contract_text(found)}
    _check(files)
    print(_summary(found, home), file=sys.stderr)
    ask(parsed.yes, "Write this?")
    return _found(parsed, home, found, files)


def _given(parsed: argparse.Namespace) -> Answers:
    found = {} if parsed.answers is None else founding.read_answers(parsed.answers)
    for question in founding.questions(real_utc().date()):
        value = getattr(parsed, question.key)
        if value is not None:
            found[question.key] = value
    for pair in parsed.rename:
        old, sign, new = pair.partition("=")
        if not sign:
            raise BadInput("--rename", f"is {pair!r}; write 'Name in the template=Name of yours'")
        found[NAMES + old.strip()] = new
    return found


# ---------------------------------------------------------------- questions


def _ask(question: Question, default: str | None) -> str:
    """Until the answer is good. Questions go to stderr, so that --json stays readable."""
    shown = "" if default is None else f" [{default or 'none'}]"
    while True:
        text = _read(f"{question.words}{shown}: ").strip() or default
        try:
            if text is None:
                raise BadInput(question.flag, "has no default; write it")
            return question.check(text)
        except BadInput as error:
            print(f"  {error.reason}", file=sys.stderr)


def _wants(text: str) -> bool:
    return _read(f"{text} [Y/n] ").strip().lower() in ("", "y", "yes")


def _read(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise BadInput("answers", "ended before the last question; nothing is written")
    return line


def _summary(found: Answers, home: Home) -> str:
    lines = [
        f"community   {found['community.name']} ({found['community.id']}), {found['community.currency']},"
        f" {found['community.zone']}, log {found['community.log']}",
        f"people      {found['people.manager']} manages, {found['people.approver']} approves too",
        f"bank        {found['bank.iban'] or 'none yet; name one with: tallystick party account'}",
        f"contract    {found['contract.template']}, {found['contract.state']}, from {found['contract.from']}:",
        *(f"            {name[len(NAMES) :]} is {text}" for name, text in found.items() if name.startswith(NAMES)),
        f"site        {found['site.name']}; gateways reach {found['site.server']}"
        if "site.name" in found
        else "site        none: the grid's files say what its meters counted",
        f"folder      {home.data}; this server keeps the signing keys of everybody above, and says yes for them",
    ]
    return "\n".join(lines)


# ---------------------------------------------------------------- writing


def _check(files: dict[str, str]) -> None:
    """Everything that an import would refuse, before anything is written."""
    with tempfile.TemporaryDirectory() as name:
        for file, text in files.items():
            Path(name, file).write_text(text)
        check_contracts(load_town(Path(name, TOWN)), SystemEntropy())


def _found(parsed: argparse.Namespace, home: Home, found: Answers, files: dict[str, str]) -> int:
    host = urlsplit(found["site.server"]).hostname or ""
    create(home, real_utc(), [*parsed.name, *([] if host in (*NAMES_HERE, *parsed.name) else [host])])
    folder = home.data / FILES
    folder.mkdir(mode=0o700, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    sites = [slug_of(found["site.name"])] if "site.name" in found else []
    claims = claim_files(home.data / CLAIMS, found["site.server"], None, sites)
    options = opened(parsed)
    try:
        import_into(options, load_town(folder / TOWN), claims)
        if found.get("contract.coefficients"):
            options.database.write_now(_take_coefficients, found, options.clock.utc_ms())
    finally:
        options.database.close()
    claimed = [str(claims.path(site)) for site in sites]
    facts = {
        "community": found["community.id"],
        "files": [str(folder / file) for file in files],
        "claims": claimed,
    }
    _tell(parsed, facts, _next(parsed, found["people.manager"], claimed, has_pool=not sites))
    return 0


def _take_coefficients(conn: Connection, found: Answers, now_ms: int) -> None:
    """The file that the contract names by its hash; everything about it was checked before anything was written."""
    name, path = found["community.id"], Path(found["contract.coefficients"])
    data, _, _ = founding.read_coefficients(str(path))
    year = date.fromisoformat(found["contract.from"]).year
    pools.take_coefficients(conn, name, pools.pool_versions(conn, name), data, path.name, year, now_ms)


# ---------------------------------------------------------------- what is there


@dataclass(frozen=True, slots=True)
class Standing:
    id: str
    name: str
    manager: str | None
    gateways: int
    uses: int
    open_claims: list[str]  # sites whose claim nobody has used
    has_pool: bool


def _standing(home: Home) -> list[Standing]:
    """Communities of a folder, none when there is no folder or none in it; it writes nothing."""
    if not (home.tls / "ca.pem").exists():
        return []
    if home.url is None and not (home.data / "cloud.db").exists():
        return []
    database = home.database()
    try:
        return database.read_now(_communities)
    finally:
        database.close()


def _communities(conn: Connection) -> list[Standing]:
    if not inspect(conn).has_table(schema.community.name):
        return []
    rows = conn.execute(select(schema.community.c.id, schema.community.c.name).order_by(schema.community.c.id)).all()
    return [_one(conn, name, title) for name, title in rows]


def _one(conn: Connection, name: str, title: str) -> Standing:
    party, grant, claim = schema.party.c, schema.role_grant.c, schema.claim.c
    manager = conn.execute(
        select(party.name)
        .join(schema.role_grant, grant.party == party.id)
        .where(grant.community == name, grant.role == "community_manager", grant.revoked_ms.is_(None))
        .order_by(party.name)
        .limit(1)
    ).scalar_one_or_none()
    gateways = select(func.count()).select_from(schema.gateway).where(schema.gateway.c.community == name)
    is_use = (schema.use.c.community == name, schema.use.c.form.not_in(AT_CLOSE))
    uses = select(func.count()).select_from(schema.use).where(*is_use)
    unused = select(claim.site).where(claim.community == name, claim.burned_ms.is_(None)).order_by(claim.site)
    count = [conn.execute(query).scalar_one() for query in (gateways, uses)]
    has_pool = any(one.contract.pool is not None for one in book(conn, name).versions)
    return Standing(name, title, manager, count[0], count[1], list(conn.execute(unused).scalars()), has_pool)


def _tell_standing(parsed: argparse.Namespace, home: Home, there: list[Standing], given: Answers) -> int:
    other = given.get("community.name")
    if other is not None and other not in {one.name for one in there}:
        names = ", ".join(one.name for one in there)
        raise Conflict("--community", f"{home.data} has {names} already; found another with `community import`")
    facts = {
        "exists": [
            {
                "community": one.id,
                "name": one.name,
                "gateways": one.gateways,
                "uses": one.uses,
                "claims": one.open_claims,
            }
            for one in there
        ]
    }
    claims = [str(home.data / CLAIMS / f"{site}.toml") for site in there[0].open_claims]
    _tell(parsed, facts, _next(parsed, there[0].manager, claims, has_pool=there[0].has_pool and not claims))
    return 0


def _next(parsed: argparse.Namespace, manager: str | None, claims: list[str], *, has_pool: bool = False) -> list[str]:
    """Three commands: the server, the gateway (of a pool: the grid's data), and a way in for the manager."""
    where = f"--data {shlex.quote(str(parsed.data))}"
    if parsed.db is not None:
        where += f" --db {shlex.quote(make_url(parsed.db).render_as_string(hide_password=True))}"
    claim = shlex.quote(claims[0]) if claims else f"{shlex.quote(str(parsed.data / CLAIMS))}/SITE.toml"
    person = shlex.quote(manager or "NAME")
    return [
        f"tallystick serve {where}",
        f"tallystick pool upload GRID.csv {where}" if has_pool else f"scp {claim} GATEWAY:/etc/tallystick/claim.toml",
        f"tallystick token new --party {person} --role community_manager {where}",
    ]


def _tell(parsed: argparse.Namespace, facts: dict[str, Any], following: list[str]) -> None:
    if parsed.json:
        print(json.dumps({"data": str(parsed.data), **facts, "next": following}, indent=1, ensure_ascii=False))
        return
    match facts:
        case {"exists": [*communities]}:
            print(f"{parsed.data} is founded already; nothing is changed")
            for one in communities:
                counts = f"gateways: {one['gateways']}, uses: {one['uses']}"
                print(f"  {one['name']}: {counts}, claims not used yet: {', '.join(one['claims']) or 'none'}")
        case _:
            print(f"{facts['community']} is founded in {parsed.data}; its files: {FILES}/{TOWN}, {FILES}/{CONTRACT}")
    print("next:")
    for one in following:
        print(f"  {one}")
