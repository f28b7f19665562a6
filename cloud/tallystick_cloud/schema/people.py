"""Tables of who and what: communities, parties and what they may do, sites, assets, sessions.

It never holds a measured value or an amount.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, flag, index, metadata, number, octets, row_id, text

community_table = Table(
    "community",
    metadata,
    text("id", key=True),  # a slug: [a-z0-9-]
    text("name"),
    text("zone"),
    text("unit"),
    text("log_origin"),  # a name the community owns
    number("witnesses_needed", null=True),  # how many of its witnesses a checkpoint needs; null: none
    number("latitude_e7", null=True),
    number("longitude_e7", null=True),
    number("created_ms"),
)

party = Table(
    "party",
    metadata,
    octets("id", key=True),  # 16 random bytes
    community(),
    text("name"),
    text("form"),  # person | organisation | fund
    text("email", null=True),
    number("created_ms"),
    UniqueConstraint("community", "name"),
)

party_account = Table(
    "party_account",
    metadata,
    row_id(),
    community(),
    octets("party"),
    text("iban"),
    text("holder"),
    number("valid_from_ms"),
    number("valid_to_ms", null=True),
    index("party"),
)

party_key = Table(
    "party_key",
    metadata,
    octets("party", key=True),
    octets("kid", key=True),  # first 8 bytes of SHA-256(SPKI)
    community(),
    octets("spki"),
    text("storage_class"),
    number("added_ms"),
    number("revoked_ms", null=True),
)

role_grant = Table(
    "role_grant",
    metadata,
    row_id(),
    community(),
    octets("party"),
    text("role"),
    number("granted_ms"),
    number("revoked_ms", null=True),
    index("party"),
    index("community", "role"),
)

session = Table(
    "session",
    metadata,
    octets("token_hash", key=True),  # SHA-256 of the cookie; the cookie itself is never stored
    community(),
    octets("party", null=True),
    text("role"),
    octets("csrf"),
    number("created_ms"),
    number("expires_ms"),
    number("revoked_ms", null=True),
    index("expires_ms"),
)

site = Table(
    "site",
    metadata,
    text("community", key=True),
    text("id", key=True),
    text("name"),
    text("address", null=True),
    number("latitude_e7", null=True),
    number("longitude_e7", null=True),
    text("plan"),  # the meter plan as JSON: what each channel of the gateway here measures
    number("created_ms"),
)

asset = Table(
    "asset",
    metadata,
    text("community", key=True),
    text("id", key=True),
    text("name"),
    text("kind"),  # washing-machine, dryer, hot-water, house ...
    text("site", null=True),
    octets("owner", null=True),
    octets("user", null=True),
    flag("essential"),
    number("latitude_e7", null=True),
    number("longitude_e7", null=True),
    number("created_ms"),
)

meter = Table(
    "meter",
    metadata,
    text("community", key=True),
    text("id", key=True),
    text("site"),
    text("asset", null=True),
    text("serial", null=True),
    text("profile"),
    text("type_approval", null=True),
    text("accuracy_class", null=True),
    number("verified_until_ms", null=True),
    octets("gid", null=True),
    number("bound_from_ms"),
    number("bound_to_ms", null=True),
)

access = Table(
    "access",
    metadata,
    row_id(),
    community(),
    octets("actor", null=True),
    octets("on_behalf", null=True),
    text("resource"),
    octets("contract", null=True),
    text("purpose"),
    text("basis"),
    number("row_count"),
    number("at_ms"),
    index("community", "at_ms"),
)

idempotency = Table(
    "idempotency",
    metadata,
    text("community", key=True),
    text("key", key=True),
    octets("content"),  # SHA-256 of what was asked: the same key with other content is an error
    text("answer"),
    number("at_ms"),
)
