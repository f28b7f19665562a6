"""Loads a town file; what it refuses it refuses with the field's path and the next step.

It never writes anything.
"""

from pathlib import Path

from tallystick_protocol.checkpoint import check_origin
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ocmf import check_meter_key

from tallystick_cloud.assets.model import Form, NewSite, Plan, PlannedChannel
from tallystick_cloud.errors import BadInput
from tallystick_cloud.parties import model as parties

from .model import HOSTED, Town, TownAsset, TownContract, TownParty
from .table import Table, read_file, read_text

VERSION = 1
NUMBER_MAX = 65_535
INT_MAX = 2**63 - 1
HASH_CHARS = 64


def load_town(path: Path) -> Town:
    """Raises BadInput naming file or field."""
    root = read_file(path)
    version = root.integer("version", 1, INT_MAX)
    if version != VERSION:
        raise BadInput("version", f"is {version}, this program reads {VERSION}; update it or the file")
    head = root.one("community")
    town = Town(
        id=head.slug("id"),
        name=head.text("name"),
        zone=head.text("zone"),
        unit=head.text("unit"),
        log_origin=_origin(head),
        latitude_e7=head.degrees_e7("latitude", 90),
        longitude_e7=head.degrees_e7("longitude", 180),
        parties=tuple(_party(table, path.parent) for table in root.many("party")),
        assets=tuple(_asset(table) for table in root.many("asset")),
        sites=tuple(_site(table) for table in root.many("site")),
        contracts=tuple(_contract(table, path.parent) for table in root.many("contract")),
    )
    head.done()
    root.done()
    check_names(town)
    return town


def _origin(head: Table) -> str:
    try:
        return check_origin(head.text("log"))
    except ProtocolError as error:
        where = head.path("log")
        raise BadInput(where, f"{error.reason}; write a name that the community owns, as in tally.example/us") from None


def load_site(path: Path) -> NewSite:
    """A file with one [site]; raises BadInput naming file or field."""
    return _one_site(read_file(path))


def site_of(text: str) -> NewSite:
    """The same of a text that somebody handed in."""
    return _one_site(read_text(text, "file"))


def _one_site(root: Table) -> NewSite:
    root.integer("version", VERSION, VERSION)
    site = _site(root.one("site"))
    root.done()
    return site


def _party(table: Table, folder: Path) -> TownParty:
    name = parties.check_name(table.path("name"), table.text("name"))
    key = table.text_or("key", None)
    iban = table.text_or("iban", None)
    form = table.text_or("form", parties.Form.PERSON.value)
    if form not in tuple(parties.Form):
        raise BadInput(table.path("form"), f"is {form!r}; use one of {', '.join(parties.Form)}")
    roles = tuple(parties.check_role(table.path("roles"), role) for role in table.texts("roles"))
    new = parties.NewParty(
        name=name,
        form=parties.Form(form),
        roles=roles,
        iban=None if iban is None else parties.check_iban(table.path("iban"), iban),
        email=table.text_or("email", None),
    )
    table.done()
    is_path = key is not None and key != HOSTED
    return TownParty(new, hosted=key == HOSTED, key=folder / key if key is not None and is_path else None)


def _asset(table: Table) -> TownAsset:
    asset = TownAsset(
        id=table.slug("id"),
        name=table.text("name"),
        kind=table.slug("kind"),
        site=table.text_or("site", None),
        owner=table.text_or("owner", None),
        user=table.text_or("user", None),
        essential=table.flag_or("essential", default=False),
        latitude_e7=table.degrees_e7("latitude", 90),
        longitude_e7=table.degrees_e7("longitude", 180),
    )
    table.done()
    return asset


def _site(table: Table) -> NewSite:
    site = NewSite(
        id=table.slug("id"),
        name=table.text("name"),
        address=table.text_or("address", None),
        latitude_e7=table.degrees_e7("latitude", 90),
        longitude_e7=table.degrees_e7("longitude", 180),
        plan=Plan(tuple(_channel(channel) for channel in table.many("channel"))),
    )
    table.done()
    return site


def _channel(table: Table) -> PlannedChannel:
    form = table.text("form")
    if form not in tuple(Form):
        raise BadInput(table.path("form"), f"is {form!r}; use one of {', '.join(Form)}")
    channel = PlannedChannel(
        number=table.integer("number", 1, NUMBER_MAX),
        meter=table.slug("meter"),
        asset=table.slug("asset"),
        quantity=table.text("quantity"),
        unit=table.text("unit"),
        exponent=table.integer_or("exponent", -18, 18, 0) or 0,
        form=Form(form),
        profile=table.text("profile"),
        profile_hash=_hash(table, "profile_sha256"),
        serial=table.text_or("serial", None),
        modulus=table.integer_or("modulus", 1, INT_MAX, None),
        type_approval=table.text_or("type_approval", None),
        accuracy_class=table.text_or("accuracy_class", None),
        verified_until_ms=table.integer_or("verified_until_ms", 0, INT_MAX, None),
        meter_key=_meter_key(table),
    )
    table.done()
    return channel


def _meter_key(table: Table) -> str | None:
    """The key on a meter's label, as hex with or without blanks."""
    text = table.text_or("meter_key", None)
    if text is None:
        return None
    try:
        key = bytes.fromhex(text)
        check_meter_key(key)
    except (ValueError, ProtocolError) as error:
        reason = error.reason if isinstance(error, ProtocolError) else "is not hex"
        raise BadInput(table.path("meter_key"), f"{reason}; copy the public key from the meter's label") from None
    return key.hex()


def _hash(table: Table, name: str) -> str:
    text = table.text_or(name, "0" * HASH_CHARS) or ""
    try:
        known = len(bytes.fromhex(text)) * 2 == HASH_CHARS
    except ValueError:
        known = False
    if not known:
        raise BadInput(table.path(name), f"must be {HASH_CHARS} hex digits")
    return text


def _contract(table: Table, folder: Path) -> TownContract:
    state = table.text_or("state", "shadow")
    if state not in ("shadow", "live"):
        raise BadInput(table.path("state"), f"is {state!r}; use shadow or live")
    after = table.text_or("after", "")
    contract = TownContract(folder / table.text("file"), state == "live", folder / after if after else None)
    table.done()
    return contract


def check_names(town: Town) -> None:
    """Every name that is used is given once in the same file."""
    names = _unique("party.name", [party.new.name for party in town.parties])
    sites = _unique("site.id", [site.id for site in town.sites])
    assets = _unique("asset.id", [asset.id for asset in town.assets])
    for asset in town.assets:
        _known(f"asset {asset.id}.site", asset.site, sites)
        _known(f"asset {asset.id}.owner", asset.owner, names)
        _known(f"asset {asset.id}.user", asset.user, names)
    for site in town.sites:
        for channel in site.plan.channels:
            _known(f"site {site.id}, channel {channel.number}, asset", channel.asset, assets)


def _unique(field: str, values: list[str]) -> set[str]:
    for value in values:
        if values.count(value) > 1:
            raise BadInput(field, f"{value!r} is given twice; names are unique in a community")
    return set(values)


def _known(field: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        raise BadInput(field, f"{name!r} is not in this file; add it or correct the name")
