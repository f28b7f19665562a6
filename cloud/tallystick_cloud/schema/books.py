"""Tables of contracts, uses and double entry.

Journals, postings, uses and ratings are only ever added to; balance, account_day and counter are their running sums.
`uses` has what is read of uses: rows and frames together, with the price that stands.
"""

from sqlalchemy import Index, Table, UniqueConstraint

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
    octets("party", key=True),  # several, where they share it
    community(),
    octets("salt"),
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

use_frame = Table(  # what the uses of a channel have in common, once for many of them
    "use_frame",
    metadata,
    octets("id", key=True),  # 16 bytes of SHA-256 over the rest
    community(),
    octets("channel_hash"),
    octets("gid", null=True),  # null: what a period's closing made
    text("form"),  # event | interval | rebate | minimum
    text("kind"),  # live | test | shadow
    text("asset"),
    octets("contract"),  # version in force at its start
    octets("chain"),
    octets("payer"),
    octets("subject", null=True),
    number("level"),  # evidence level 0..3
    text("parties"),  # of the split, hex, in contract order: what the shares stand for
    index("chain"),
    index("channel_hash"),
    index("community", "asset"),
    index("community", "payer"),
)

use_row = Table(  # a use with its first price; narrow, because a year of a city is a billion of them
    "use",
    metadata,
    octets("use_id", key=True),
    octets("frame"),
    number("number"),
    number("start_ms"),
    number("end_ms"),
    number("from_total"),
    number("to_total"),
    text("programme", null=True),
    flag("aborted"),
    flag("gap"),
    number("recorded_ms"),
    octets("batch", null=True),  # the upload that completed it
    number("fee"),
    text("shares"),  # nano of each of the frame's parties: "1200 300 0"
    text("counters"),  # where each of its counters stood and how far it went, in the price's order: "5000+1200 0+1"
    number("journal", null=True),  # null: shadow and test uses post nothing
    index("frame", "end_ms"),
    Index(None, "recorded_ms", postgresql_using="brin"),  # rows come in its order; costs nothing to keep
)

rerating = Table(  # the later prices of a use, and counters that moved under it; the highest revision stands
    "rerating",
    metadata,
    octets("use_id", key=True),
    number("revision", key=True),  # from 2
    number("fee"),
    text("shares"),
    text("counters"),
    octets("cause"),  # the use that made this revision, its own when it was reversed
    number("journal", null=True),
    number("rated_ms"),
    Index(None, "rated_ms", postgresql_using="brin"),
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

MOVING = ("bank-", "debit-", "payout-", "unclaimed-")
"""How the causes of journals begin that move what was charged before, and charge nothing."""

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
    text("account"),  # one of ledger.model.Account
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
