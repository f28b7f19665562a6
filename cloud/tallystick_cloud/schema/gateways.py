"""Tables of gateways: keys, heads, claims, channels, and the signed uploads as they came.

Envelopes and parts are kept byte for byte; nothing here is an amount of money.
"""

from sqlalchemy import Index, Table, UniqueConstraint
from sqlalchemy import text as text_of

from .base import community, flag, index, metadata, number, octets, row_id, text

gateway = Table(
    "gateway",
    metadata,
    octets("gid", key=True),  # 16 bytes
    community(),
    text("site"),
    text("name"),
    text("serial"),
    text("software"),
    text("storage_class"),
    text("state"),  # active | revoked
    number("enrolled_ms"),
    number("certificate_expires_ms", null=True),
    index("community"),
)

gateway_certificate = Table(  # every one that was issued: an older one lets its holder in until it expires
    "gateway_certificate",
    metadata,
    octets("serial", key=True),  # 20 bytes, big-endian
    octets("gid"),
    community(),
    number("expires_ms", null=True),  # unknown of some that version 0006 found
    index("gid"),
)

gateway_key = Table(
    "gateway_key",
    metadata,
    octets("gid", key=True),
    octets("kid", key=True),
    community(),
    octets("spki"),
    octets("key_event"),
    number("valid_from_epoch"),
    number("valid_from_seq"),
    number("revoked_from_epoch", null=True),
    number("revoked_from_seq", null=True),
)

gateway_head = Table(
    "gateway_head",
    metadata,
    octets("gid", key=True),
    community(),
    number("epoch"),
    number("next_seq"),
    octets("head"),  # hash of next_seq - 1; before any batch SHA-256(first SPKI)
    number("last_command"),
    octets("hello_nonce", null=True),  # of the boot that may start the next epoch
    number("fork_ms", null=True),  # when a fork was last seen
    number("forks"),
)

gateway_contact = Table(
    "gateway_contact",
    metadata,
    octets("gid", key=True),
    community(),
    number("last_seen_ms"),
    number("last_hello_ms", null=True),
    number("last_batch_ms", null=True),
    octets("boot", null=True),
    text("transport", null=True),  # https | mqtt
    number("clock_error_ms", null=True),
    number("batches"),
    number("readings"),
)

claim = Table(
    "claim",
    metadata,
    octets("hash", key=True),  # SHA-256 of the 16 bytes; the claim itself is shown once
    community(),
    text("site"),
    number("created_ms"),
    number("expires_ms"),
    number("burned_ms", null=True),
    octets("gid", null=True),
)

descriptor = Table(
    "descriptor",
    metadata,
    octets("h", key=True),
    community(),
    octets("gid"),
    number("channel"),
    octets("prev", null=True),
    octets("envelope"),
    text("serial", null=True),
    text("quantity"),
    text("unit"),
    number("exponent"),
    number("modulus", null=True),
    text("profile"),
    text("asset"),
    text("type_approval", null=True),
    number("verified_until_ms", null=True),
    number("leaf"),
    number("added_ms"),
    index("gid", "channel"),
)

channel = Table(
    "channel",
    metadata,
    octets("channel_hash", key=True),
    community(),
    octets("gid"),
    number("channel"),
    text("asset"),
    text("meter"),
    text("quantity"),
    text("unit"),
    number("exponent"),
    text("form"),  # event | interval: how its uses are made
    number("first_total", null=True),  # where money began to count
    number("billed_total", null=True),  # the mark: at or below is evidence, never billed again
    number("last_use"),
    number("last_total", null=True),
    number("last_reading_ms", null=True),
    number("last_uptime_ms", null=True),
    octets("last_boot", null=True),
    number("last_pagination"),
    number("last_event"),
    number("generation"),
    number("seams"),  # that events told of, and no accepted reading has crossed yet
    number("base"),
    text("serial", null=True),
    number("last_edge_ms", null=True),  # up to where intervals are cut
    number("since_ms", null=True),  # of one that came to a running site: what was read before is not billed
    number("held_ms", null=True),  # since when its parts wait behind one that our program failed on
    text("tail"),  # readings after the last edge as JSON [[t_ms, total], ...]
    UniqueConstraint("gid", "channel"),
    index("community", "asset"),
)

batch = Table(
    "batch",
    metadata,
    octets("hash", key=True),
    community(),
    octets("gid"),
    number("epoch"),
    number("seq"),
    octets("prev"),
    octets("nonce"),
    number("created_ms"),
    number("received_ms"),
    text("software"),
    octets("envelope"),
    text("standing"),  # posted | unsupported | fork
    number("readings"),
    number("leaf", null=True),
    index("gid", "epoch", "seq"),
    index("community", "received_ms"),
)

part = Table(
    "part",
    metadata,
    octets("batch", key=True),
    number("position", key=True),
    community(),
    octets("gid"),
    number("channel", null=True),
    number("sensitivity", null=True),
    octets("salt", null=True),  # null with data: erased or absent
    octets("data", null=True),
    text("standing"),  # read | quarantined | skipped | erased
    text("reason", null=True),
    index("gid", "channel"),
    Index(
        "ix_part_quarantined",
        "gid",
        sqlite_where=text_of("standing = 'quarantined'"),
        postgresql_where=text_of("standing = 'quarantined'"),
    ),
)

open_use = Table(
    "open_use",
    metadata,
    octets("channel_hash", key=True),
    number("number", key=True),
    community(),
    text("state"),  # started | billable
    number("start_ms"),
    octets("boot"),
    number("start_uptime_ms"),
    number("from_total", null=True),
    octets("subject", null=True),
    text("programme", null=True),
    octets("samples_hash", null=True),
    octets("batch"),
)

exception = Table(
    "exception",
    metadata,
    row_id(),
    community(),
    octets("gid"),
    octets("channel_hash", null=True),
    text("state"),  # open | quarantined | closed
    text("reason"),
    text("detail", null=True),  # for whoever runs the server
    number("from_total", null=True),
    number("to_total", null=True),
    number("from_use", null=True),
    number("to_use", null=True),
    octets("batch", null=True),
    number("position", null=True),
    number("opened_ms"),
    number("closed_ms", null=True),
    text("resolution", null=True),  # bill | waive | skip
    index("community", "state"),
    index("channel_hash"),
)

command = Table(
    "command",
    metadata,
    octets("gid", key=True),
    number("cmd_seq", key=True),
    community(),
    octets("h"),
    octets("envelope"),
    text("type"),
    number("issued_ms"),
    number("expires_ms"),
    number("leaf", null=True),
    text("result", null=True),  # done | refused: why; by the gateway's own event
    number("result_ms", null=True),
)

alarm = Table(
    "alarm",
    metadata,
    row_id(),
    community(),
    text("code"),
    text("severity"),  # info | warning | critical
    octets("gid", null=True),
    octets("channel_hash", null=True),
    text("asset", null=True),
    text("text"),
    text("subject_key"),  # an open alarm is raised once per key
    number("raised_ms"),
    number("last_ms"),
    number("times"),
    number("cleared_ms", null=True),
    octets("taken_by", null=True),
    number("taken_ms", null=True),
    octets("closed_by", null=True),  # a person; null when it ended by itself
    text("cause", null=True),  # what that person found
    flag("test"),
    index("community", "cleared_ms"),
    index("subject_key"),
)
