"""Vectors of settlements, their leaves and evidence files: good ones and named failures."""

from __future__ import annotations

from support import settlement_samples as s
from support.protocol_samples import fixed
from support.vector_case import APPEND, DELETE, Case, Cases
from tallystick_protocol.merkle import EMPTY_ROOT
from tallystick_protocol.salted_tree import salted


def settlements() -> list[Case]:
    c = Cases("settlement", s.SETTLEMENT.encode())
    c.ok("of two versions over a clock change", c.good)
    c.ok("the first one, of nothing", s.EMPTY.encode())
    c.common("settlement")
    c.edited("a period that ends before it begins", [3, 1], 1, "bad-value", "settlement.from_ms+to_ms", rule=True)
    c.edited("no contract", [4], [], "bad-value", "settlement.contracts")
    c.edited("one version twice", [4], [bytes(32)] * 2, "bad-value", "settlement.contracts", rule=True)
    c.edited("no tree of counters", [12], DELETE, "missing-field", "settlement.counters")
    c.edited("a root of 31 bytes", [7, 1], bytes(31), "bad-value", "settlement.uses.root")
    c.edited("an empty tree with another root", [7], [0, bytes(32)], "bad-proof", "settlement.uses.root", rule=True)
    c.edited("offsets that do not rise", [11, 1, 0], 0, "bad-value", "settlement.offsets", rule=True)
    c.edited("an offset of two days", [11, 0, 1], 172_800, "bad-value", "settlement.offsets[0][1]")
    return c.cases


def covers() -> list[Case]:
    c = Cases("cover", s.COVER.encode())
    c.ok("of a channel with an open and a closed span", c.good)
    c.edited("a total that falls", [2], 11, "bad-value", "cover.to_total", rule=True)
    c.edited("use numbers that fall", [4], 11, "bad-value", "cover.to_use", rule=True)
    c.edited("no batches", [5], [], "bad-value", "cover.batches")
    c.edited("epochs that do not rise", [5, 1, 0], 1, "bad-value", "cover.batches", rule=True)
    c.edited("batches that end before they begin", [5, 0, 1], 92, "bad-value", "cover.batches[0].last", rule=True)
    c.edited("an open span that falls", [8, 0, 3], 16, "bad-value", "cover.opens[0].to_total", rule=True)
    c.edited("open use numbers that fall", [8, 0, 5], 16, "bad-value", "cover.opens[0].to_use", rule=True)
    c.edited("one open span twice", [8], (APPEND, [4, 50, 17, 18, 17, 18]), "bad-value", "cover.opens", rule=True)
    c.edited("a reason without meaning", [8, 0, 1], 31, "unsupported", "cover.opens[0].reason")
    c.edited("one span closed twice", [9], (APPEND, [3, bytes(32)]), "bad-value", "cover.closed", rule=True)
    c.edited("a map in its place", [9], {}, "bad-type", "cover.closed")
    return c.cases


def counters() -> list[Case]:
    c = Cases("counter", s.COUNTER.encode())
    c.ok("of a period", c.good)
    c.ok("over a contract's life", s.LIFETIME.encode())
    c.edited("a period that ends before it begins", [1, 1], 5, "bad-value", "counter.period", rule=True)
    c.edited("a key of 8 bytes", [0], bytes(8), "bad-value", "counter.key")
    return c.cases


def uses() -> list[Case]:
    c = Cases("use", s.USE.encode())
    c.ok("a wash with two counters and two shares", c.good)
    c.ok("joined slices that correct an earlier leaf", s.JOINED.encode())
    c.ok("in shadow", s.SHADOW.encode())
    c.ok("reversed", s.REVERSED.encode())
    c.common("use", version=False)
    c.edited("reversed, with a fee", [14], [s.h32("reversal")], "bad-value", "use.reversals", rule=True)
    c.edited("reversed by nothing", [14], [], "bad-value", "use.reversals")
    c.edited("shares that do not sum to the fee", [8], 1_600_000_001, "bad-value", "use.shares", rule=True)
    c.edited("a party twice", [10], [[0, 1_000_000_000], [0, 600_000_000]], "bad-value", "use.shares", rule=True)
    c.edited("parties out of order", [10], [[2, 1_000_000_000], [0, 600_000_000]], "bad-value", "use.shares", rule=True)
    c.edited("no shares", [10], [], "bad-value", "use.shares")
    c.edited("a shadow use with a fee", [4], 2, "bad-value", "use.fee", rule=True)
    c.edited("kind 3", [4], 3, "unsupported", "use.kind")
    c.edited("evidence level 4", [11], 4, "unsupported", "use.level")
    c.edited("an end before the begin", [2, 1], 5, "bad-value", "use.start_ms+end_ms", rule=True)
    c.edited("totals that fall", [3, 1], 11, "bad-value", "use.from_total+to_total", rule=True)
    c.edited("a tag of 16 bytes", [5], bytes(16), "bad-value", "use.tag")
    d = Cases("slice", s.SLICE.encode())
    d.ok("a quarter of an hour", d.good)
    d.edited("a total that falls", [3], 11_999, "bad-value", "slice", rule=True)
    d.edited("a gap that is 1", [4], 1, "bad-type", "slice.gap")
    return c.cases + d.cases


def statements() -> list[Case]:
    c = Cases("statement", s.STATEMENT.encode())
    c.ok("with a share, a charge and a payout", c.good)
    c.ok("the first one, of nothing", s.FIRST_STATEMENT.encode())
    c.common("statement")
    c.edited("a closing that is not the sum", [6], 600_000_001, "bad-value", "statement.closing", rule=True)
    c.edited("a line that changes the sum", [5, 0, 2], 7, "bad-value", "statement.closing", rule=True)
    c.edited("a cent more than there is", [7], 61, "bad-value", "statement.payout_cents", rule=True)
    c.edited("line kind 5", [5, 0, 0], 5, "unsupported", "statement.lines[0].kind")
    c.edited("no party", [2], DELETE, "missing-field", "statement.party")
    return c.cases


def evidence() -> list[Case]:
    c = Cases("evidence", s.EVIDENCE.encode())
    c.ok("a part, a use, an erased part", c.good)
    c.common("evidence")
    c.edited("no objects", [3], [], "bad-value", "evidence.objects")
    c.edited("scope 2", [6], 2, "unsupported", "evidence.scope")
    c.edited("log type 11", [3, 0, 0], 11, "unsupported", "evidence.objects[0].type")
    c.edited("a path with 31 bytes", [3, 0, 3], [bytes(31)], "bad-value", "evidence.objects[0].path[0]")
    c.edited("a path of 64 hashes", [3, 0, 3], [bytes(32)] * 64, "too-large", "evidence.objects[0].path")
    c.edited("a salt of 15 bytes", [4, 0, 3], bytes(15), "bad-value", "evidence.pieces[0].salt")
    c.edited("one proof twice", [5], (APPEND, [1, []]), "bad-value", "evidence.proofs", rule=True)
    c.edited("a party of 15 bytes", [1], bytes(15), "bad-value", "evidence.party")
    return c.cases


def leaves() -> list[Case]:
    """Leaves of salted trees of three: the hex is the leaf's data."""
    datas = [b"\x01", b"\x02", b"\x03"]
    salts = iter(fixed(f"leaf {n}", 16) for n in range(3))
    tree = salted(datas, lambda _: next(salts))
    good = {"n": 3, "root": tree.head.root.hex(), "index": 1, "salt": tree.leaves[1].salt.hex(),
            "path": [h.hex() for h in tree.path(1)]}  # fmt: skip
    other = {"salt": tree.leaves[0].salt.hex()}
    bad: list[tuple[str, dict[str, object], str]] = [
        ("index = n", {"index": 3}, "index"),
        ("another index", {"index": 0}, "root"),
        ("the salt of its neighbour", other, "root"),
        ("a salt of 15 bytes", {"salt": "00" * 15}, "salt"),
        ("a path that is too short", {"path": good["path"][:1]}, "proof"),  # type: ignore[index]
        ("n = 0", {"n": 0, "root": EMPTY_ROOT.hex()}, "index"),
    ]
    cases = [Case("leaf", "the second of three", datas[1], given=good)]
    cases += [Case("leaf", name, datas[1], "bad-proof", field, True, good | change) for name, change, field in bad]
    return [*cases, Case("leaf", "other data", b"\x04", "bad-proof", "root", True, good)]


def trees() -> list[Case]:
    c = Cases("tree", s.SETTLEMENT.uses.encode())
    c.ok("of two leaves", c.good)
    c.edited("n = 0 with a root", [0], 0, "bad-proof", "tree.root", rule=True)
    c.edited("a negative n", [0], -1, "bad-value", "tree.n")
    return c.cases
