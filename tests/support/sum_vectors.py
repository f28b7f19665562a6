"""Vectors of closes of pools, shared bills and what proves them: good ones and named failures."""

from __future__ import annotations

from support import sum_samples as s
from support.protocol_samples import fixed
from support.vector_case import APPEND, DELETE, Case, Cases
from tallystick_protocol.merkle import HEIGHT_MAX
from tallystick_protocol.sum_tree import path


def pools() -> list[Case]:
    return [*_closes(), *_pieces(), *_records(), *_proofs(), *sum_leaves()]


def costs() -> list[Case]:
    return [*_bills(), *_cost_pieces(), *_cost_proofs()]


def _closes() -> list[Case]:
    c = Cases("pool-settlement", s.CLOSE.encode())
    c.ok("the second of a day, with statements", c.good)
    c.ok("the first, on account, without them", s.FIRST_CLOSE.encode())
    c.common("pool settlement")
    c.edited("a period that ends before it begins", [3, 1], 1, "bad-value", "pool settlement.from_ms+to_ms", rule=True)
    c.edited("one version twice", [6], [bytes(32)] * 2, "bad-value", "pool settlement.contracts", rule=True)
    c.edited("no contract", [6], [], "bad-value", "pool settlement.contracts")
    c.edited("number 0", [5], 0, "bad-value", "pool settlement.number")
    c.edited("a kind that nobody knows", [4], "trial", "unsupported", "pool settlement.kind")
    c.edited("four totals", [9], [0] * 4, "bad-value", "pool settlement.totals")
    c.edited("statements that are null", [10], None, "bad-type", "pool settlement.statements")
    return c.cases


def _pieces() -> list[Case]:
    c = Cases("meter-piece", s.PIECES[2].encode())
    c.ok("of a user behind a commitment", c.good)
    c.ok("of a party", s.PIECES[0].encode())
    c.edited("a third piece", [2], 2, "bad-value", "piece.piece")
    c.edited("a member of 20 bytes", [3], bytes(20), "bad-value", "piece.member")
    c.edited("seven sums", [4], [0] * 7, "bad-value", "piece.sums")
    c.edited("a sum below zero", [4, 1], -1, "bad-value", "piece.sums[1]")
    return c.cases


def _records() -> list[Case]:
    c = Cases("interval", s.RECORD.encode())
    c.ok("an hour that two groups share", c.good)
    c.ok("an hour without sun or price", s.EMPTY_HOUR.encode())
    c.edited("more above the threshold than all", [7], s.RECORD.fee + 1, "bad-value", "interval.above", rule=True)
    c.edited("a price with a zero at its end", [4], [130, 0], "bad-value", "interval.series.mantissa", rule=True)
    c.edited("a group that nobody knows", [8, 0, 0], "plants", "unsupported", "interval.groups[0].group")
    c.edited("five groups", [8], [["members", 1, 1]] * 5, "too-large", "interval.groups")
    c.edited("level 4", [9], 4, "bad-value", "interval.level")
    c.edited("a root of 31 bytes", [3, 0], bytes(31), "bad-value", "interval.top.hash")
    return c.cases


def _proofs() -> list[Case]:
    c = Cases("pool-proof", s.POOL_PROOF.encode())
    c.ok("an hour", c.good)
    c.ok("a whole close with its account, after a log was set back", s.WHOLE_POOL_PROOF.encode())
    c.common("pool proof", tagged="not-canonical")
    c.edited("no intervals", [6], [], "bad-value", "pool proof.intervals")
    c.edited("no contract", [3], [], "bad-value", "pool proof.contracts")
    c.edited("a close that is a number", [4], 1, "bad-type", "pool proof.settlement")
    c.edited("a party of 15 bytes", [1], bytes(15), "bad-value", "pool proof.party")
    c.edited("earlier closes: none of them", [10], [], "bad-value", "pool proof.earlier")
    at = "pool proof.intervals[0]"
    c.edited("a salt of 15 bytes", [6, 0, 1], bytes(15), "bad-value", f"{at}.salt")
    c.edited("a piece without its path", [6, 0, 4, 0], [0, bytes(16), []], "bad-type", f"{at}.pieces[0]")
    node = [bytes(32), [0] * 8]
    too_high = [node] * (HEIGHT_MAX + 1)
    c.edited("a path beyond any tree", [6, 0, 4, 0, 3], too_high, "too-large", f"{at}.pieces[0].path")
    c.edited("a claim of no group we know", [6, 0, 5, 0, 1], "GSE", "unsupported", f"{at}.claims[0].group")
    c.edited("an amount beyond 64 bits", [6, 0, 5, 0, 2], 2**63, "bad-value", "pool proof")
    d = Cases("pool-proof", s.WHOLE_POOL_PROOF.encode())
    line = [9, 2, 5, 0, 2]
    d.edited(
        "an account that does not add up", line, 7, "bad-value", "pool proof.statement.statement.closing", rule=True
    )
    return c.cases + d.cases


def _bills() -> list[Case]:
    c = Cases("cost-settlement", s.BILL.encode())
    c.ok("heating by use and area", c.good)
    c.ok("taken back", s.TAKEN_BACK.encode())
    c.common("cost settlement")
    c.edited("portions that do not make 1", [10, 0, 0], [1, 2], "bad-value", "cost settlement.key", rule=True)
    c.edited("a portion not in lowest terms", [10, 0, 0], [14, 20], "bad-value",
             "cost settlement.key[0].portion", rule=True)  # fmt: skip
    c.edited("an empty key", [10], [], "bad-value", "cost settlement.key")
    c.edited("a measure that nobody knows", [10, 0, 1], "noise", "unsupported", "cost settlement.key[0].by")
    c.edited("scale 0", [10, 0, 3], 0, "bad-value", "cost settlement.key[0].scale")
    c.edited("a bill of nothing", [5], 0, "bad-value", "cost settlement.cents")
    c.edited("a bill of a thousand millions", [5], 10**11, "bad-value", "cost settlement.cents")
    c.edited("no stays", [13], 0, "bad-value", "cost settlement.stays")
    c.edited("a collector by name", [11], "Coop", "bad-type", "cost settlement.collector")
    c.edited("nothing said of what it takes back", [15], DELETE, "missing-field", "cost settlement.reverses")
    return c.cases


def _cost_pieces() -> list[Case]:
    c = Cases("cost-piece", s.COST_PIECES[0].encode())
    c.ok("half of a stay", c.good)
    c.edited("a third piece", [1], 2, "bad-value", "cost piece.piece")
    c.edited("nine sums", [7], [0] * 9, "too-large", "cost piece.sums")
    c.edited("fewer people than none", [6], -1, "bad-value", "cost piece.people")
    return c.cases


def _cost_proofs() -> list[Case]:
    c = Cases("cost-proof", s.COST_PROOF.encode())
    c.ok("one stay", c.good)
    c.ok("of a bill that was taken back, after a log was set back", s.WHOLE_COST_PROOF.encode())
    c.common("cost proof")
    c.edited("no pieces", [4], [], "bad-value", "cost proof.pieces")
    c.edited("a piece of three", [4, 0], [0, bytes(16), 1], "bad-type", "cost proof.pieces[0]")
    c.edited("a node without sums", [4, 0, 3, 0], [bytes(32)], "bad-type", "cost proof.pieces[0].path[0]")
    c.edited("a node with another sum", [4, 0, 3, 0, 1], (APPEND, 1), "too-large", "cost proof.pieces[0].path[0].sums")
    c.edited("a log type that nobody knows", [3, 0], 12, "unsupported", "cost proof.settlement.type")
    return c.cases


def sum_leaves() -> list[Case]:
    """Leaves of a tree of sums of four: the hex is the leaf's data."""
    index = 2
    beside = path(index, s.PIECE_LEAVES)
    good: dict[str, object] = {
        "sums": list(s.PIECES[index].sums), "salt": s.salt(f"piece {index}").hex(), "index": index, "size": 4,
        "path": [s.node_json(node) for node in beside], "top": s.node_json(s.RECORD.top),
    }  # fmt: skip
    more = [s.PIECES[index].sums[0] + 1, *s.PIECES[index].sums[1:]]
    top = s.node_json(s.RECORD.top) | {"sums": [s.RECORD.top.sums[0] + 1, *s.RECORD.top.sums[1:]]}
    huge = [s.node_json(beside[0]) | {"sums": [2**63 - 1] * 8}, s.node_json(beside[1])]
    data = s.PIECES[index].encode()
    bad: list[tuple[str, dict[str, object], str]] = [
        ("index = size", {"index": 4}, "index"),
        ("another index", {"index": 1}, "root"),
        ("a sum of one more", {"sums": more}, "root"),
        ("a sum of one more, at the top too", {"sums": more, "top": top}, "root"),
        ("the sums of its neighbour", {"sums": list(s.PIECES[3].sums)}, "root"),
        ("another salt", {"salt": fixed("other", 16).hex()}, "root"),
        ("a salt of 15 bytes", {"salt": "00" * 15}, "salt"),
        ("a path that is too short", {"path": good["path"][:1]}, "proof"),  # type: ignore[index]
        ("sums beyond 64 bits", {"path": huge}, "sums"),
    ]
    cases = [Case("sum-leaf", "the third of four", data, given=good)]
    return cases + [Case("sum-leaf", name, data, "bad-proof", at, True, good | change) for name, change, at in bad]
