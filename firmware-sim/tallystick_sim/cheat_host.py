"""A host that has gone bad: it rewrites its own database on a copied folder and signs again whatever its keys can sign.
It never touches the folder that it was copied from, and has no gateway's key: those are not the host's."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tallystick_protocol import cose, merkle
from tallystick_protocol.codes import LogType
from tallystick_protocol.cover import Cover
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import Ed25519Signer
from tallystick_protocol.merkle import CompactRange
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.records import Descriptor, log_leaf
from tallystick_protocol.salted_tree import Leaf, Tree
from tallystick_protocol.settled_use import Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Statement

from tallystick_sim.town_files import COMMUNITY

COVERS, USES, STATEMENTS, COUNTERS = 5, 7, 10, 12
"""Wire keys of a settlement's trees, which are also the numbers of the trees in the database."""
DATABASE = Path("aggregator") / "cloud.db"


@dataclass(slots=True)
class Row:
    """A leaf as the host keeps it; `party` pays the use or has the statement, `ref` is what the leaf is about."""

    leaf: Leaf
    party: bytes | None
    ref: bytes | None


@dataclass(slots=True)
class Book:
    """A settlement with all its leaves, to be changed and signed again."""

    h: bytes
    chain: H32
    settlement: Settlement
    rows: dict[int, list[Row]]

    def uses(self) -> list[Use]:
        return [Use.decode(row.leaf.data) for row in self.rows[USES]]

    def covers(self) -> list[Cover]:
        return [Cover.decode(row.leaf.data) for row in self.rows[COVERS]]

    def statements(self) -> list[Statement]:
        return [Statement.decode(row.leaf.data) for row in self.rows[STATEMENTS]]

    def put(self, tree: int, index: int, message: Use | Cover | Statement) -> None:
        """Another content under the same salt."""
        row = self.rows[tree][index]
        row.leaf = Leaf(row.leaf.salt, message.encode())
        if isinstance(message, Statement):
            row.ref = message.hash


class Host:
    """`folder` is a copy, made by `copy_host`."""

    def __init__(self, folder: Path) -> None:
        self._keys = folder / "aggregator" / "keys" / COMMUNITY
        self._sql = sqlite3.connect(folder / DATABASE)
        self._sql.row_factory = sqlite3.Row

    def __enter__(self) -> Host:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._sql.commit()
        self._sql.close()

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._sql.execute(sql, values).fetchall()

    def party(self, name: str) -> PartyId:
        (row,) = self.query("SELECT id FROM party WHERE name = ?", name)
        return PartyId(bytes(row["id"]))

    def versions(self, chain: bytes) -> list[Contract]:
        """The versions of a contract, oldest first."""
        rows = self.query("SELECT payload FROM contract_version WHERE chain = ? ORDER BY version", chain)
        return [Contract.decode(bytes(row["payload"])) for row in rows]

    def book(self, contract: str) -> Book:
        """The newest settlement of a contract."""
        chain = self.query("SELECT chain FROM contract_version WHERE name = ?", contract)[0]["chain"]
        found = self.query("SELECT * FROM settlement WHERE chain = ? ORDER BY number DESC LIMIT 1", chain)[0]
        rows: dict[int, list[Row]] = {COVERS: [], USES: [], STATEMENTS: [], COUNTERS: []}
        for row in self.query("SELECT * FROM settlement_leaf WHERE settlement = ? ORDER BY position", found["h"]):
            rows[row["tree"]].append(Row(Leaf(row["salt"], row["data"]), row["party"], row["ref"]))
        signed = Settlement.decode(cose.parse(found["envelope"]).payload)
        return Book(found["h"], H32(chain), signed, rows)

    def sign_again(self, book: Book) -> None:
        """The changed settlement takes the old one's place everywhere, signed, and stands in the log."""
        heads = {key: Tree(len(rows), merkle.root([row.leaf.hash for row in rows])) for key, rows in book.rows.items()}
        names = {"covers": COVERS, "uses": USES, "statements": STATEMENTS, "counters": COUNTERS}
        changes: Mapping[str, Any] = {name: heads[key] for name, key in names.items()}
        signed = replace(book.settlement, **changes)
        envelope = cose.sign(self._signer("settlement"), cose.ContentType.SETTLEMENT, signed.encode())
        h = cose.parse(envelope).hash
        leaf = self.log(LogType.SETTLEMENT, h)
        self._sql.execute(
            "UPDATE settlement SET h = ?, envelope = ?, leaf = ? WHERE h = ?", (h, envelope, leaf, book.h)
        )
        for table in ("settlement_slice", "settled_use", "statement"):
            self._sql.execute(f"UPDATE {table} SET settlement = ? WHERE settlement = ?", (h, book.h))
        self._sql.execute("DELETE FROM settlement_leaf WHERE settlement = ?", (book.h,))
        for tree, rows in book.rows.items():
            for position, row in enumerate(rows):
                kept = (h, tree, position, COMMUNITY, row.leaf.hash, row.leaf.salt, row.leaf.data, row.party, row.ref)
                self._sql.execute("INSERT INTO settlement_leaf VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", kept)

    def describe_again(self, asset: str, quantity: str, exponent: int) -> tuple[H32, H32]:
        """Another description of a channel follows the true one; returns (old hash, new hash)."""
        sql = "SELECT * FROM descriptor WHERE asset = ? AND quantity = ? ORDER BY leaf DESC"
        old = dict(self.query(sql, asset, quantity)[0])
        bent = replace(Descriptor.decode(cose.parse(old["envelope"]).payload), prev=H32(old["h"]), exponent=exponent)
        envelope = cose.sign(self._signer("root"), cose.ContentType.DESCRIPTOR, bent.encode())
        h = cose.parse(envelope).hash
        leaf = self.log(LogType.DESCRIPTOR, h)
        new = old | {"h": h, "prev": old["h"], "envelope": envelope, "exponent": exponent, "leaf": leaf}
        marks = ", ".join("?" for _ in new)
        self._sql.execute(f"INSERT INTO descriptor ({', '.join(new)}) VALUES ({marks})", tuple(new.values()))
        return H32(old["h"]), h

    def log(self, kind: LogType, h: H32) -> int:
        """Append to the log; returns the leaf."""
        head = self.query("SELECT * FROM log_head")[0]
        leaf_hash = merkle.leaf_hash(log_leaf(kind, h))
        tree = CompactRange.decode(head["range"]).append(leaf_hash)
        row = (COMMUNITY, head["size"], int(kind), h, leaf_hash, head["appended_ms"])
        self._sql.execute("INSERT INTO log_leaf VALUES (?, ?, ?, ?, ?, ?)", row)
        self._move_head(tree)
        return int(head["size"])

    def rewrite(self, leaf: int) -> None:
        """Another entry stands at `leaf`, as if it had always been there: the log is forked."""
        h = H32(bytes(32 * [leaf % 256]))
        kind = self.query("SELECT type FROM log_leaf WHERE leaf = ?", leaf)[0]["type"]
        hashed = merkle.leaf_hash(log_leaf(LogType(kind), h))
        self._sql.execute("UPDATE log_leaf SET h = ?, leaf_hash = ? WHERE leaf = ?", (h, hashed, leaf))
        tree = CompactRange()
        for row in self.query("SELECT leaf_hash FROM log_leaf ORDER BY leaf"):
            tree = tree.append(H32(row["leaf_hash"]))
        self._sql.execute("DELETE FROM checkpoint WHERE size > ?", (leaf,))
        self._move_head(tree)

    def _move_head(self, tree: CompactRange) -> None:
        self._sql.execute("UPDATE log_head SET size = ?, range = ?, root = ?", (tree.size, tree.encode(), tree.root()))

    def _signer(self, role: str) -> Ed25519Signer:
        return Ed25519Signer.from_pem((self._keys / f"{role}.pem").read_bytes())


def copy_host(data: Path, folder: Path) -> None:
    """The aggregator's database and keys in a new folder; the original may be running.

    Not the record of what the log's key signed: it keeps an honest server from a fork, and a host that lies removes it.
    """
    target = folder / DATABASE
    target.parent.mkdir(parents=True)
    without_record = shutil.ignore_patterns("signed.json")
    shutil.copytree(data / "aggregator" / "keys", target.parent / "keys", ignore=without_record)
    with closing(sqlite3.connect(data / DATABASE)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
