"""Rows of a community that could be true, put straight into the tables, so that pages have something to show.
Sums agree as in the real ledger: each fee is one receivable and its shares, each batch is one log leaf."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from sqlalchemy import Connection, insert
from tallystick_cloud import bulk, schema

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
SHARES = (("Elena Moser", 62), ("Kofler Repairs", 18), ("Bank of Neighbours", 11), ("House fund", 6), ("Tallystick", 3))
ROLES = {
    "City control room": "city_operator",
    "Giulia Ferrari": "community_manager",
    "Ivo Installer": "installer",
    "Ada Auditor": "auditor",
    "Elena Moser": "owner",
    "Kofler Repairs": "servicer",
    "Bank of Neighbours": "financier",
    "Family Conti": "user",
    "Dev Eloper": "developer",
}
ALARMS = (
    ("meter-reset", "critical", "asset-0: the register began anew; look at the meter (fell).", 0),
    ("gap", "warning", "asset-1: no readings came for a while; the next total closes the gap.", 9),
    ("batches-lost", "critical", "batches 17 to 18 of epoch 1 cannot be read any more on the gateway's card.", 22),
    (
        "card-lost-a-write",
        "warning",
        "batch 41 of epoch 1 exists twice: nothing is billed twice; replace the card.",
        41,
    ),
    ("quarantine-replayed", "warning", "A part waits in quarantine: advert 7 came again.", 75),
    ("card-restored", "info", "asset-5: the gateway came back with an older card.", 170),
)


def h(*parts: object) -> bytes:
    """32 bytes that stand for a hash."""
    return hashlib.sha256(repr(parts).encode()).digest()


def party_id(community: str, name: str) -> bytes:
    return h(community, name)[:16]


def gid_of(community: str, number: int) -> bytes:
    return h(community, "gateway", number)[:16]


@dataclass(frozen=True)
class Seed:
    """How much of what; `now_ms` is the end of the last day."""

    community: str = "valdora"
    name: str = "Valdora"
    gateways: int = 24
    now_ms: int = 1_795_370_000_000
    alarms: int = 6
    spread_e7: int = 260_000
    uses: int = 600


def seed_city(conn: Connection, seed: Seed) -> None:
    """Everything of one community."""
    rng = random.Random(seed.community)
    seed_people(conn, seed)
    if not seed.gateways:
        return
    seed_gateways(conn, seed, rng)
    seed_batches(conn, seed, rng)
    for number in range(seed.uses):
        gateway = int(seed.gateways * rng.random() ** 2)
        end_ms = seed.now_ms - int(DAY * rng.random() ** 1.3)
        if not 260 * MINUTE < seed.now_ms - end_ms < 320 * MINUTE:
            add_use(conn, seed, number, gateway, end_ms, fee_nano=rng.randrange(90_000_000, 1_900_000_000))
    for number, alarm in enumerate(ALARMS[: seed.alarms]):
        add_alarm(conn, seed, number % seed.gateways, *alarm)
    if seed.alarms:
        taken = {"taken_by": party_id(seed.community, "Giulia Ferrari"), "taken_ms": seed.now_ms}
        conn.execute(
            schema.alarm.update()
            .where(schema.alarm.c.code == "card-restored", schema.alarm.c.community == seed.community)
            .values(**taken)
        )


def seed_people(conn: Connection, seed: Seed) -> None:
    """The community, its parties and what they may do."""
    community = {"id": seed.community, "name": seed.name, "zone": "Europe/Rome", "unit": "EUR"}
    place = {"latitude_e7": 460_670_000, "longitude_e7": 111_210_000}
    origin = {"log_origin": f"tallystick.example/{seed.community}", "created_ms": seed.now_ms - 30 * DAY}
    conn.execute(insert(schema.community), {**community, **place, **origin})
    log = {"community": seed.community, "size": 0, "range": b"", "root": h("empty"), "appended_ms": 0}
    conn.execute(insert(schema.log_head), log)
    for name in dict.fromkeys([*ROLES, *(share for share, _ in SHARES)]):
        party = party_id(seed.community, name)
        row = {"id": party, "community": seed.community, "name": name, "form": "person", "created_ms": 0}
        conn.execute(insert(schema.party), row)
        if name in ROLES:
            grant = {"community": seed.community, "party": party, "role": ROLES[name], "granted_ms": 0}
            conn.execute(insert(schema.role_grant), grant)


def seed_gateways(conn: Connection, seed: Seed, rng: random.Random) -> None:
    """All gateways; the last two are late and silent."""
    for number in range(seed.gateways):
        silent = {seed.gateways - 2: 20 * MINUTE, seed.gateways - 1: 55 * MINUTE}.get(number, number * 800)
        add_gateway(conn, seed, rng, number, silent)


def add_gateway(conn: Connection, seed: Seed, rng: random.Random, number: int, silent: int) -> None:
    """A site with its gateway, last contact and one asset."""
    kinds = ("washing-machine", "dryer", "hot-water", "heat meter")
    site, gid = f"site-{number + 1:03d}", gid_of(seed.community, number)
    angle_e7 = [int(seed.spread_e7 * rng.uniform(-1, 1) * k) for k in (0.42, 1.2)]
    where = {"latitude_e7": 460_670_000 + angle_e7[0], "longitude_e7": 111_210_000 + angle_e7[1]}
    base = {"community": seed.community, "created_ms": 0}
    conn.execute(insert(schema.site), {**base, **where, "id": site, "name": f"House {number + 1}", "plan": "[]"})
    enrolled = {"certificate_expires_ms": None, "enrolled_ms": 0}
    row = {"gid": gid, "community": seed.community, "site": site, "name": f"gw-{number + 1:03d}", **enrolled}
    made = {"serial": f"S{number}", "software": "0.1.0", "storage_class": "file", "state": "active"}
    conn.execute(insert(schema.gateway), {**row, **made})
    contact = {"gid": gid, "community": seed.community, "batches": 0, "readings": 0, "transport": "https"}
    conn.execute(insert(schema.gateway_contact), {**contact, "last_seen_ms": seed.now_ms - silent})
    kind = kinds[number % len(kinds)]
    asset = {"id": f"asset-{number}", "name": f"{kind.capitalize()} {number + 1}", "kind": kind, "site": site}
    conn.execute(insert(schema.asset), {**base, **asset, "essential": False})
    conn.execute(insert(schema.channel), _channel(seed, gid, f"asset-{number}"))


def _channel(seed: Seed, gid: bytes, asset: str) -> dict[str, object]:
    counts = dict.fromkeys(("last_use", "last_pagination", "last_event", "generation", "seams", "base"), 0)
    words = {"asset": asset, "meter": asset, "quantity": "cycles", "unit": "cycle", "exponent": 0, "form": "event"}
    keys = {"channel_hash": h(gid, 1), "community": seed.community, "gid": gid, "channel": 1}
    return {**keys, **words, **counts, "tail": "[]"}


def seed_batches(conn: Connection, seed: Seed, rng: random.Random) -> None:
    """A batch per gateway every quarter of an hour, but for one hour in which nothing ran."""
    number = 0
    for back in range(96, 0, -1):
        if 265 <= back * 15 <= 315:
            continue
        for gateway in range(min(seed.gateways, 4)):
            created = seed.now_ms - back * 15 * MINUTE + gateway * 900
            add_batch(conn, seed, number, gateway, created, rng.randrange(700, 6_200))
            number += 1


def add_batch(conn: Connection, seed: Seed, number: int, gateway: int, created_ms: int, took_ms: int) -> None:
    """One posted batch and its leaf in the log's head."""
    words = {"software": "0.1.0", "standing": "posted", "readings": 60, "leaf": number, "envelope": b""}
    ids = {"hash": h(seed.community, "batch", number), "community": seed.community, "nonce": h(number)[:16]}
    order = {"gid": gid_of(seed.community, gateway), "epoch": 1, "seq": number, "prev": h(number)}
    conn.execute(
        insert(schema.batch), {**ids, **order, **words, "created_ms": created_ms, "received_ms": created_ms + took_ms}
    )
    head = schema.log_head
    conn.execute(head.update().where(head.c.community == seed.community).values(size=number + 1, root=h(number)))


def add_use(
    conn: Connection, seed: Seed, number: int, gateway: int, end_ms: int, fee_nano: int, kind: str = "live"
) -> None:
    """One use with its rating, and when live its journal: one receivable, five payables, sum zero."""
    gid = gid_of(seed.community, gateway)
    use_id, payer = h(seed.community, "use", number), party_id(seed.community, "Family Conti")
    span = {"start_ms": end_ms - 40 * MINUTE, "end_ms": end_ms, "from_total": number, "to_total": number + 1}
    names = {"form": "event", "kind": kind, "asset": f"asset-{gateway}", "subject": None, "level": 2}
    facts = {"programme": None, "aborted": False, "gap": False, "recorded_ms": end_ms + 3_000, "batch": None}
    terms = {"contract": h("contract"), "chain": h("contract"), "payer": payer}
    frame = {"id": h(gid, gateway, kind)[:16], "community": seed.community, "channel_hash": h(gid, 1), "gid": gid}
    parties = " ".join(party_id(seed.community, name).hex() for name, _ in SHARES)
    values = {**frame, **names, **terms, "parties": parties}
    bulk.insert_new(conn, schema.use_frame, [tuple(values[column.name] for column in schema.use_frame.columns)])
    parts = [fee_nano * weight // 100 for _, weight in SHARES]
    parts[0] += fee_nano - sum(parts)
    price = {"fee": fee_nano, "shares": " ".join(map(str, parts)), "counters": "", "journal": number + 1}
    use = {"use_id": use_id, "frame": frame["id"], "number": number}
    conn.execute(insert(schema.use_row), {**use, **span, **facts, **price})
    if kind == "live":
        post(conn, seed, number, end_ms, payer, fee_nano, parts)


def post(conn: Connection, seed: Seed, number: int, end_ms: int, payer: bytes, fee_nano: int, parts: list[int]) -> None:
    """The journal of one use."""
    stamps = {"metered_from_ms": end_ms, "metered_to_ms": end_ms, "recorded_ms": end_ms + 3_000}
    row = {"community": seed.community, "key": f"use-{number}", "cause": "batch", "posting_period": 1, **stamps}
    result = conn.execute(insert(schema.journal), row)
    (journal,) = result.inserted_primary_key or (None,)
    holder = party_id(seed.community, "Elena Moser")
    lines = [("receivable", payer, fee_nano)]
    lines += [("payable", party_id(seed.community, name), -p) for (name, _), p in zip(SHARES, parts, strict=True)]
    for position, (account, party, amount) in enumerate(lines):
        key = {"holder": holder, "account": account, "party": party, "chain": h("contract"), "unit": "EUR"}
        common = {**key, "community": seed.community, "amount": amount}
        at = {"journal": journal, "position": position, "recorded_ms": stamps["recorded_ms"]}
        conn.execute(insert(schema.posting), {**common, **at})
        table = schema.balance
        where = [getattr(table.c, name) == value for name, value in key.items()]
        if conn.execute(table.update().where(*where).values(amount=table.c.amount + amount)).rowcount == 0:
            conn.execute(insert(table), common)


def add_alarm(conn: Connection, seed: Seed, gateway: int, code: str, severity: str, text: str, ago_min: int) -> int:
    """One open alarm; returns its number."""
    raised = seed.now_ms - ago_min * MINUTE
    words = {"code": code, "severity": severity, "text": text, "subject_key": f"{code}:{gateway}", "test": False}
    row = {"community": seed.community, "gid": gid_of(seed.community, gateway), "raised_ms": raised, "last_ms": raised}
    result = conn.execute(insert(schema.alarm), {**row, **words, "times": 1 + gateway % 3})
    (number,) = result.inserted_primary_key or (0,)
    return int(number)
