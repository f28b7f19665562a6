"""The first tables: people, gateways, books and log, with every column that is dear to add later.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("actor", sa.LargeBinary(), nullable=True),
        sa.Column("on_behalf", sa.LargeBinary(), nullable=True),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("contract", sa.LargeBinary(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access")),
    )
    op.create_index(op.f("ix_access_community_at_ms"), "access", ["community", "at_ms"], unique=False)
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=True),
        sa.Column("channel_hash", sa.LargeBinary(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("cleared_ms", sa.BigInteger(), nullable=True),
        sa.Column("taken_by", sa.LargeBinary(), nullable=True),
        sa.Column("taken_ms", sa.BigInteger(), nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    op.create_index(op.f("ix_alarm_community_cleared_ms"), "alarm", ["community", "cleared_ms"], unique=False)
    op.create_index(op.f("ix_alarm_subject_key"), "alarm", ["subject_key"], unique=False)
    op.create_table(
        "approval",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("object", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("yes", sa.Boolean(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_approval")),
        sa.UniqueConstraint("object", "party", name=op.f("uq_approval_object_party")),
    )
    op.create_table(
        "asset",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("owner", sa.LargeBinary(), nullable=True),
        sa.Column("user", sa.LargeBinary(), nullable=True),
        sa.Column("essential", sa.Boolean(), nullable=False),
        sa.Column("latitude_e7", sa.BigInteger(), nullable=True),
        sa.Column("longitude_e7", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "id", name=op.f("pk_asset")),
    )
    op.create_table(
        "balance",
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "account", "party", "chain", "unit", name=op.f("pk_balance")),
    )
    op.create_index(op.f("ix_balance_community_party"), "balance", ["community", "party"], unique=False)
    op.create_table(
        "batch",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_batch")),
    )
    op.create_index(op.f("ix_batch_community_received_ms"), "batch", ["community", "received_ms"], unique=False)
    op.create_index(op.f("ix_batch_gid_epoch_seq"), "batch", ["gid", "epoch", "seq"], unique=False)
    op.create_table(
        "channel",
        sa.Column("channel_hash", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("exponent", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("first_total", sa.BigInteger(), nullable=True),
        sa.Column("billed_total", sa.BigInteger(), nullable=True),
        sa.Column("last_use", sa.BigInteger(), nullable=False),
        sa.Column("last_total", sa.BigInteger(), nullable=True),
        sa.Column("last_reading_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_uptime_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_boot", sa.LargeBinary(), nullable=True),
        sa.Column("last_pagination", sa.BigInteger(), nullable=False),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("last_edge_ms", sa.BigInteger(), nullable=True),
        sa.Column("tail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel_hash", name=op.f("pk_channel")),
        sa.UniqueConstraint("gid", "channel", name=op.f("uq_channel_gid_channel")),
    )
    op.create_index(op.f("ix_channel_community_asset"), "channel", ["community", "asset"], unique=False)
    op.create_table(
        "checkpoint",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("signed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "size", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "claim",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("burned_ms", sa.BigInteger(), nullable=True),
        sa.Column("gid", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_claim")),
    )
    op.create_table(
        "command",
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("cmd_seq", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gid", "cmd_seq", name=op.f("pk_command")),
    )
    op.create_table(
        "community",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("log_origin", sa.Text(), nullable=False),
        sa.Column("witnesses_needed", sa.BigInteger(), nullable=True),
        sa.Column("latitude_e7", sa.BigInteger(), nullable=True),
        sa.Column("longitude_e7", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_community")),
    )
    op.create_table(
        "contract_version",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("proposer", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("collector", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("change_rule", sa.Text(), nullable=False),
        sa.Column("decision_ref", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("effective_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("effective_to_ms", sa.BigInteger(), nullable=True),
        sa.Column("proposed_ms", sa.BigInteger(), nullable=False),
        sa.Column("in_force_ms", sa.BigInteger(), nullable=True),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_contract_version")),
        sa.UniqueConstraint("chain", "version", name=op.f("uq_contract_version_chain_version")),
    )
    op.create_index(
        op.f("ix_contract_version_community_state"), "contract_version", ["community", "state"], unique=False
    )
    op.create_table(
        "counter",
        sa.Column("counter", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("counter", name=op.f("pk_counter")),
    )
    op.create_table(
        "descriptor",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.BigInteger(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("exponent", sa.BigInteger(), nullable=False),
        sa.Column("modulus", sa.BigInteger(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("type_approval", sa.Text(), nullable=True),
        sa.Column("verified_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_descriptor")),
    )
    op.create_index(op.f("ix_descriptor_gid_channel"), "descriptor", ["gid", "channel"], unique=False)
    op.create_table(
        "exception",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("channel_hash", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_total", sa.BigInteger(), nullable=True),
        sa.Column("to_total", sa.BigInteger(), nullable=True),
        sa.Column("from_use", sa.BigInteger(), nullable=True),
        sa.Column("to_use", sa.BigInteger(), nullable=True),
        sa.Column("batch", sa.LargeBinary(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exception")),
    )
    op.create_index(op.f("ix_exception_channel_hash"), "exception", ["channel_hash"], unique=False)
    op.create_index(op.f("ix_exception_community_state"), "exception", ["community", "state"], unique=False)
    op.create_table(
        "gateway",
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("enrolled_ms", sa.BigInteger(), nullable=False),
        sa.Column("certificate_serial", sa.LargeBinary(), nullable=True),
        sa.Column("certificate_expires_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gid", name=op.f("pk_gateway")),
    )
    op.create_index(op.f("ix_gateway_community"), "gateway", ["community"], unique=False)
    op.create_table(
        "gateway_contact",
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_hello_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_batch_ms", sa.BigInteger(), nullable=True),
        sa.Column("boot", sa.LargeBinary(), nullable=True),
        sa.Column("transport", sa.Text(), nullable=True),
        sa.Column("clock_error_ms", sa.BigInteger(), nullable=True),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gid", name=op.f("pk_gateway_contact")),
    )
    op.create_table(
        "gateway_head",
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("last_command", sa.BigInteger(), nullable=False),
        sa.Column("hello_nonce", sa.LargeBinary(), nullable=True),
        sa.Column("fork_ms", sa.BigInteger(), nullable=True),
        sa.Column("forks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gid", name=op.f("pk_gateway_head")),
    )
    op.create_table(
        "gateway_key",
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("key_event", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from_epoch", sa.BigInteger(), nullable=False),
        sa.Column("valid_from_seq", sa.BigInteger(), nullable=False),
        sa.Column("revoked_from_epoch", sa.BigInteger(), nullable=True),
        sa.Column("revoked_from_seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gid", "kid", name=op.f("pk_gateway_key")),
    )
    op.create_table(
        "idempotency",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("cause_ref", sa.LargeBinary(), nullable=True),
        sa.Column("metered_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("metered_to_ms", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("posting_period", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sa.UniqueConstraint("community", "key", name=op.f("uq_journal_community_key")),
    )
    op.create_index(op.f("ix_journal_community_recorded_ms"), "journal", ["community", "recorded_ms"], unique=False)
    op.create_table(
        "key_event",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_key_event")),
    )
    op.create_index(op.f("ix_key_event_subject"), "key_event", ["subject"], unique=False)
    op.create_table(
        "log_head",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("range", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("appended_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_leaf",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.BigInteger(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("appended_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "leaf", name=op.f("pk_log_leaf")),
        sa.UniqueConstraint("community", "h", name=op.f("uq_log_leaf_community_h")),
    )
    op.create_table(
        "meter",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("type_approval", sa.Text(), nullable=True),
        sa.Column("accuracy_class", sa.Text(), nullable=True),
        sa.Column("verified_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("gid", sa.LargeBinary(), nullable=True),
        sa.Column("bound_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("bound_to_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("community", "id", name=op.f("pk_meter")),
    )
    op.create_table(
        "open_use",
        sa.Column("channel_hash", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("start_uptime_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_total", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("programme", sa.Text(), nullable=True),
        sa.Column("samples_hash", sa.LargeBinary(), nullable=True),
        sa.Column("batch", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("channel_hash", "number", name=op.f("pk_open_use")),
    )
    op.create_table(
        "part",
        sa.Column("batch", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.BigInteger(), nullable=True),
        sa.Column("sensitivity", sa.BigInteger(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("batch", "position", name=op.f("pk_part")),
    )
    op.create_index(op.f("ix_part_gid_channel"), "part", ["gid", "channel"], unique=False)
    op.create_table(
        "party",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party")),
        sa.UniqueConstraint("community", "name", name=op.f("uq_party_community_name")),
    )
    op.create_table(
        "party_account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("valid_to_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_account")),
    )
    op.create_index(op.f("ix_party_account_party"), "party_account", ["party"], unique=False)
    op.create_table(
        "party_key",
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("party", "kid", name=op.f("pk_party_key")),
    )
    op.create_table(
        "payout",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("entitlement", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("creditor", sa.Text(), nullable=False),
        sa.Column("creditor_iban", sa.Text(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("outcome_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("run", "position", name=op.f("uq_payout_run_position")),
    )
    op.create_index(op.f("ix_payout_chain_party"), "payout", ["chain", "party"], unique=False)
    op.create_index(op.f("ix_payout_community_party"), "payout", ["community", "party"], unique=False)
    op.create_table(
        "payout_approval",
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.BigInteger(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "party", name=op.f("pk_payout_approval")),
    )
    op.create_table(
        "payout_run",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("collector", sa.LargeBinary(), nullable=False),
        sa.Column("debtor", sa.Text(), nullable=False),
        sa.Column("debtor_iban", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("execution_day", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposer", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_ms", sa.BigInteger(), nullable=False),
        sa.Column("approved_ms", sa.BigInteger(), nullable=True),
        sa.Column("written_ms", sa.BigInteger(), nullable=True),
        sa.Column("file_hash", sa.LargeBinary(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("held", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_run")),
        sa.UniqueConstraint("community", "key", name=op.f("uq_payout_run_community_key")),
        sa.UniqueConstraint("community", "number", name=op.f("uq_payout_run_community_number")),
    )
    op.create_index(op.f("ix_payout_run_community_state"), "payout_run", ["community", "state"], unique=False)
    op.create_table(
        "period_close",
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "from_ms", name=op.f("pk_period_close")),
    )
    op.create_table(
        "posting",
        sa.Column("journal", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journal", "position", name=op.f("pk_posting")),
    )
    op.create_index(op.f("ix_posting_party_unit"), "posting", ["party", "unit"], unique=False)
    op.create_table(
        "posting_period",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting_period")),
    )
    op.create_index(
        op.f("ix_posting_period_community_closed_ms"), "posting_period", ["community", "closed_ms"], unique=False
    )
    op.create_table(
        "role_grant",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("granted_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
    )
    op.create_index(op.f("ix_role_grant_community_role"), "role_grant", ["community", "role"], unique=False)
    op.create_index(op.f("ix_role_grant_party"), "role_grant", ["party"], unique=False)
    op.create_table(
        "session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("csrf", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_expires_ms"), "session", ["expires_ms"], unique=False)
    op.create_table(
        "site",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("latitude_e7", sa.BigInteger(), nullable=True),
        sa.Column("longitude_e7", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "id", name=op.f("pk_site")),
    )
    op.create_table(
        "use",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("channel_hash", sa.LargeBinary(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_total", sa.BigInteger(), nullable=False),
        sa.Column("to_total", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("contract", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("payer", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("programme", sa.Text(), nullable=True),
        sa.Column("aborted", sa.Boolean(), nullable=False),
        sa.Column("gap", sa.Boolean(), nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("use_id", name=op.f("pk_use")),
        sa.UniqueConstraint("channel_hash", "number", name=op.f("uq_use_channel_hash_number")),
    )
    op.create_index(op.f("ix_use_chain_position"), "use", ["chain", "position"], unique=False)
    op.create_index(op.f("ix_use_community_asset_end_ms"), "use", ["community", "asset", "end_ms"], unique=False)
    op.create_index(op.f("ix_use_community_payer_end_ms"), "use", ["community", "payer", "end_ms"], unique=False)
    op.create_index(op.f("ix_use_community_recorded_ms"), "use", ["community", "recorded_ms"], unique=False)
    op.create_table(
        "use_counter",
        sa.Column("counter", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("counter", "position", name=op.f("pk_use_counter")),
    )
    op.create_index(op.f("ix_use_counter_use_id"), "use_counter", ["use_id"], unique=False)
    op.create_table(
        "use_rating",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.Text(), nullable=False),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.Column("cause", sa.LargeBinary(), nullable=True),
        sa.Column("journal", sa.BigInteger(), nullable=True),
        sa.Column("rated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("use_id", "revision", name=op.f("pk_use_rating")),
    )
    op.create_table(
        "cosignature",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("signed_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "size", "name", name=op.f("pk_cosignature")),
    )
    op.create_table(
        "payer_tag",
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("payer", sa.LargeBinary(), nullable=False),
        sa.Column("period_ms", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "payer", "period_ms", name=op.f("pk_payer_tag")),
        sa.UniqueConstraint("tag", name=op.f("uq_payer_tag_tag")),
    )
    op.create_table(
        "resolution",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("channel_hash", sa.LargeBinary(), nullable=False),
        sa.Column("open_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("from_total", sa.BigInteger(), nullable=False),
        sa.Column("to_total", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("settlement", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_resolution")),
        sa.UniqueConstraint("chain", "channel_hash", "open_id", name=op.f("uq_resolution_chain_channel_hash_open_id")),
    )
    op.create_index(op.f("ix_resolution_channel_hash"), "resolution", ["channel_hash"], unique=False)
    op.create_table(
        "settled_use",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("settlement", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.Text(), nullable=False),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("use_id", "number", name=op.f("pk_settled_use")),
    )
    op.create_index(op.f("ix_settled_use_chain_position"), "settled_use", ["chain", "position"], unique=False)
    op.create_index(op.f("ix_settled_use_settlement_leaf"), "settled_use", ["settlement", "leaf"], unique=False)
    op.create_table(
        "settlement",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_settlement")),
        sa.UniqueConstraint("chain", "number", name=op.f("uq_settlement_chain_number")),
    )
    op.create_index(op.f("ix_settlement_community_to_ms"), "settlement", ["community", "to_ms"], unique=False)
    op.create_table(
        "settlement_leaf",
        sa.Column("settlement", sa.LargeBinary(), nullable=False),
        sa.Column("tree", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("party", sa.LargeBinary(), nullable=True),
        sa.Column("ref", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("settlement", "tree", "position", name=op.f("pk_settlement_leaf")),
    )
    op.create_index(op.f("ix_settlement_leaf_party"), "settlement_leaf", ["party"], unique=False)
    op.create_index(op.f("ix_settlement_leaf_ref"), "settlement_leaf", ["ref"], unique=False)
    op.create_table(
        "settlement_slice",
        sa.Column("settlement", sa.LargeBinary(), nullable=False),
        sa.Column("use", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("settlement", "use", "position", name=op.f("pk_settlement_slice")),
    )
    op.create_table(
        "statement",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("settlement", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=True),
        sa.Column("opening", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_statement")),
        sa.UniqueConstraint("settlement", "party", name=op.f("uq_statement_settlement_party")),
    )
    op.create_index(op.f("ix_statement_community_party"), "statement", ["community", "party"], unique=False)
    op.create_table(
        "user_acceptance",
        sa.Column("contract", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "party", name=op.f("pk_user_acceptance")),
    )
    op.create_index(op.f("ix_user_acceptance_community_party"), "user_acceptance", ["community", "party"], unique=False)
    op.create_table(
        "user_opening",
        sa.Column("contract", sa.LargeBinary(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "asset", "quantity", name=op.f("pk_user_opening")),
    )
    op.create_index(op.f("ix_user_opening_community_party"), "user_opening", ["community", "party"], unique=False)
    op.create_table(
        "witness",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("removed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("community", "name", name=op.f("pk_witness")),
    )


def downgrade() -> None:
    op.drop_table("witness")
    op.drop_index(op.f("ix_user_opening_community_party"), table_name="user_opening")
    op.drop_table("user_opening")
    op.drop_index(op.f("ix_user_acceptance_community_party"), table_name="user_acceptance")
    op.drop_table("user_acceptance")
    op.drop_index(op.f("ix_statement_community_party"), table_name="statement")
    op.drop_table("statement")
    op.drop_table("settlement_slice")
    op.drop_index(op.f("ix_settlement_leaf_ref"), table_name="settlement_leaf")
    op.drop_index(op.f("ix_settlement_leaf_party"), table_name="settlement_leaf")
    op.drop_table("settlement_leaf")
    op.drop_index(op.f("ix_settlement_community_to_ms"), table_name="settlement")
    op.drop_table("settlement")
    op.drop_index(op.f("ix_settled_use_settlement_leaf"), table_name="settled_use")
    op.drop_index(op.f("ix_settled_use_chain_position"), table_name="settled_use")
    op.drop_table("settled_use")
    op.drop_index(op.f("ix_resolution_channel_hash"), table_name="resolution")
    op.drop_table("resolution")
    op.drop_table("payer_tag")
    op.drop_table("cosignature")
    op.drop_table("use_rating")
    op.drop_index(op.f("ix_use_counter_use_id"), table_name="use_counter")
    op.drop_table("use_counter")
    op.drop_index(op.f("ix_use_community_recorded_ms"), table_name="use")
    op.drop_index(op.f("ix_use_community_payer_end_ms"), table_name="use")
    op.drop_index(op.f("ix_use_community_asset_end_ms"), table_name="use")
    op.drop_index(op.f("ix_use_chain_position"), table_name="use")
    op.drop_table("use")
    op.drop_table("site")
    op.drop_index(op.f("ix_session_expires_ms"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("ix_role_grant_party"), table_name="role_grant")
    op.drop_index(op.f("ix_role_grant_community_role"), table_name="role_grant")
    op.drop_table("role_grant")
    op.drop_index(op.f("ix_posting_period_community_closed_ms"), table_name="posting_period")
    op.drop_table("posting_period")
    op.drop_index(op.f("ix_posting_party_unit"), table_name="posting")
    op.drop_table("posting")
    op.drop_table("period_close")
    op.drop_index(op.f("ix_payout_run_community_state"), table_name="payout_run")
    op.drop_table("payout_run")
    op.drop_table("payout_approval")
    op.drop_index(op.f("ix_payout_community_party"), table_name="payout")
    op.drop_index(op.f("ix_payout_chain_party"), table_name="payout")
    op.drop_table("payout")
    op.drop_table("party_key")
    op.drop_index(op.f("ix_party_account_party"), table_name="party_account")
    op.drop_table("party_account")
    op.drop_table("party")
    op.drop_index(op.f("ix_part_gid_channel"), table_name="part")
    op.drop_table("part")
    op.drop_table("open_use")
    op.drop_table("meter")
    op.drop_table("log_leaf")
    op.drop_table("log_head")
    op.drop_index(op.f("ix_key_event_subject"), table_name="key_event")
    op.drop_table("key_event")
    op.drop_index(op.f("ix_journal_community_recorded_ms"), table_name="journal")
    op.drop_table("journal")
    op.drop_table("idempotency")
    op.drop_table("gateway_key")
    op.drop_table("gateway_head")
    op.drop_table("gateway_contact")
    op.drop_index(op.f("ix_gateway_community"), table_name="gateway")
    op.drop_table("gateway")
    op.drop_index(op.f("ix_exception_community_state"), table_name="exception")
    op.drop_index(op.f("ix_exception_channel_hash"), table_name="exception")
    op.drop_table("exception")
    op.drop_index(op.f("ix_descriptor_gid_channel"), table_name="descriptor")
    op.drop_table("descriptor")
    op.drop_table("counter")
    op.drop_index(op.f("ix_contract_version_community_state"), table_name="contract_version")
    op.drop_table("contract_version")
    op.drop_table("community")
    op.drop_table("command")
    op.drop_table("claim")
    op.drop_table("checkpoint")
    op.drop_index(op.f("ix_channel_community_asset"), table_name="channel")
    op.drop_table("channel")
    op.drop_index(op.f("ix_batch_gid_epoch_seq"), table_name="batch")
    op.drop_index(op.f("ix_batch_community_received_ms"), table_name="batch")
    op.drop_table("batch")
    op.drop_index(op.f("ix_balance_community_party"), table_name="balance")
    op.drop_table("balance")
    op.drop_table("asset")
    op.drop_table("approval")
    op.drop_index(op.f("ix_alarm_subject_key"), table_name="alarm")
    op.drop_index(op.f("ix_alarm_community_cleared_ms"), table_name="alarm")
    op.drop_table("alarm")
    op.drop_index(op.f("ix_access_community_at_ms"), table_name="access")
    op.drop_table("access")
