"""Tables of contracts, uses and double entry.

Journals, postings and ratings are only ever added to; balance, account_day, counter and use_counter are
their running sums.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, flag, index, metadata, number, octets, row_id, text

contract_version = Table(
    "contract_version",
    metadata,
    octets("h", key=True),  # hash of the proposer's envelope
    community(),
    octets("chain"),  # h of the first version
    number("version"),
    text("name"),
    octets("prev", null=True),
    octets("envelope"),
    octets("payload"),
    octets("proposer"),
    text("state"),  # draft | shadow | live | paused | ended
    octets("collector"),
    text("mode"),  # principal | psp | direct
    text("change_rule"),
    text("decision_ref", null=True),
    text("unit"),
    number("effective_from_ms"),
    number("effective_to_ms", null=True),
    number("proposed_ms"),
    number("in_force_ms", null=True),  # when the change rule was met
    number("leaf"),
    UniqueConstraint("chain", "version"),
    index("community", "state"),
)

approval = Table(
    "approval",
    metadata,
    octets("h", key=True),
    community(),
    octets("object"),
    octets("party"),
    flag("yes"),
    octets("envelope"),
    number("leaf"),
    number("received_ms"),
    UniqueConstraint("object", "party"),
)

user_opening = Table(  # who pays for an asset whose user the contract only commits to; erased with the person
    "user_opening",
    metadata,
    octets("contract", key=True),  # the version's h
    text("asset", key=True),
    text("quantity", key=True),
    community(),
    octets("salt"),
    octets("party"),
    index("community", "party"),
)

user_acceptance = Table(  # a user's yes to a version's terms: kept here alone, never in the log; erased with the person
    "user_acceptance",
    metadata,
    octets("contract", key=True),
    octets("party", key=True),
    community(),
    text("terms"),  # what was accepted, in words
    number("accepted_ms"),
    index("community", "party"),
)

use = Table(
    "use",
    metadata,
    octets("use_id", key=True),
    community(),
    octets("channel_hash"),
    octets("gid", null=True),  # null: a period minimum
    number("number"),
    text("form"),  # event | interval | minimum
    text("kind"),  # live | test | shadow
    text("asset"),
    number("start_ms"),
    number("end_ms"),
    number("from_total"),
    number("to_total"),
    octets("position"),  # 48 bytes, sorts in canonical order: metered end, channel hash, number
    octets("contract"),  # version in force at its start
    octets("chain"),
    octets("payer"),
    octets("subject", null=True),
    text("programme", null=True),
    flag("aborted"),
    flag("gap"),
    number("level"),  # evidence level 0..3
    number("recorded_ms"),
    octets("batch", null=True),  # the upload that completed it
    UniqueConstraint("channel_hash", "number"),
    index("community", "recorded_ms"),
    index("chain", "position"),
    index("community", "asset", "end_ms"),
    index("community", "payer", "end_ms"),
)

use_rating = Table(
    "use_rating",
    metadata,
    octets("use_id", key=True),
    number("revision", key=True),  # from 1; the highest stands
    community(),
    number("fee"),
    text("shares"),  # JSON [[party hex, "nano"], ...] in contract order
    text("counters"),  # JSON [[counter hex, before], ...]
    octets("cause", null=True),  # the use that made this revision, its own when it was reversed; null for the first
    number("journal", null=True),  # null: shadow and test uses post nothing
    number("rated_ms"),
)

use_counter = Table(
    "use_counter",
    metadata,
    octets("counter", key=True),
    octets("position", key=True),
    community(),
    octets("use_id"),
    number("before"),
    number("after"),
    index("use_id"),
)

counter = Table(
    "counter",
    metadata,
    octets("counter", key=True),
    community(),
    octets("chain"),
    octets("position"),  # of the last use in it
    number("value"),
    number("cap", null=True),
)

reversal = Table(
    "reversal",
    metadata,
    octets("use_id", key=True),
    community(),
    octets("chain"),
    text("why"),
    number("at_ms"),
    octets("h", null=True),  # hash of the signed decision; null until a settlement relies on it
    octets("envelope", null=True),
    number("leaf", null=True),
    index("chain"),
)

posting_period = Table(
    "posting_period",
    metadata,
    row_id(),
    community(),
    number("opened_ms"),
    number("closed_ms", null=True),
    index("community", "closed_ms"),
)

period_close = Table(
    "period_close",
    metadata,
    octets("chain", key=True),
    number("from_ms", key=True),
    community(),
    number("to_ms"),
    number("closed_ms"),
    number("uses"),
)

journal = Table(
    "journal",
    metadata,
    row_id(),
    community(),
    text("key"),  # idempotency: what caused it, once
    text("cause"),  # batch | correction | period-close | reversal ...
    octets("cause_ref", null=True),
    number("metered_from_ms"),
    number("metered_to_ms"),
    number("recorded_ms"),
    number("posting_period"),
    UniqueConstraint("community", "key"),
    index("community", "recorded_ms"),
)

posting = Table(
    "posting",
    metadata,
    number("journal", key=True),
    number("position", key=True),
    community(),
    octets("holder"),  # in whose books: the collector
    text("account"),  # receivable | payable | fund | payout-in-transit | bank | suspense | clearing | tax | unclaimed
    octets("party"),
    octets("chain"),
    text("unit"),
    number("amount"),  # nano; receivables are positive, payables negative
    number("recorded_ms"),  # of its journal, so that a part of a day is one range
    index("party", "recorded_ms"),
)

account_day = Table(  # what an account moved on a UTC day, all contracts together: an earlier balance is now less these
    "account_day",
    metadata,
    community(key=True),
    octets("party", key=True),
    number("day", key=True),  # since 1970-01-01
    octets("holder", key=True),
    text("account", key=True),
    text("unit", key=True),
    number("amount"),
)

balance = Table(
    "balance",
    metadata,
    octets("holder", key=True),
    text("account", key=True),
    octets("party", key=True),
    octets("chain", key=True),
    text("unit", key=True),
    community(),
    number("amount"),
    index("community", "party"),
)
