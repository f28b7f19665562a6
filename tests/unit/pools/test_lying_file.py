"""A file whose pieces are real and signed, and put together otherwise: the member whom it is for sees it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from support.cheats_page import rows_under
from support.pools import GRID, open_community, proof_of
from support.protocol_samples import ed25519
from tallystick_protocol import cose
from tallystick_protocol.evidence import LoggedObject
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import IntervalProof, PoolProof
from tallystick_protocol.sum_tree import SumNode
from tallystick_protocol.verify.pool import verify_pool

JANUARY = "2026-01"


@dataclass(frozen=True)
class Files:
    """Anna's file of a month of two hours, and another member's of the same month."""

    mine: PoolProof
    policy: Policy
    other: PoolProof


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    cer = open_community()
    second = GRID.partition("\n")[2].replace("T00:00", "T01:00")
    cer.upload(GRID + second)
    cer.prices("start,price\n2026-01-01T00:00,100\n2026-01-01T01:00,100\n")
    cer.close()
    mine, policy = proof_of(cer, "Anna", JANUARY)
    yield Files(mine, policy, proof_of(cer, "Farm", JANUARY)[0])
    cer.books.database.close()


def first(change: Callable[[IntervalProof], IntervalProof]) -> Callable[[Files], PoolProof]:
    """Another first hour."""
    return lambda f: replace(f.mine, intervals=(change(f.mine.intervals[0]), *f.mine.intervals[1:]))


def others_pieces(f: Files) -> PoolProof:
    return first(lambda one: replace(one, pieces=f.other.intervals[0].pieces))(f)


def own_and_others_piece(f: Files) -> PoolProof:
    return first(lambda one: replace(one, pieces=(one.pieces[0], f.other.intervals[0].pieces[0])))(f)


def altered_sum(one: IntervalProof) -> IntervalProof:
    """In what is beside the way of one piece."""
    opened = one.pieces[0]
    node = opened.path[0]
    beside = (SumNode(node.hash, (node.sums[0] + 1, *node.sums[1:])), *opened.path[1:])
    return replace(one, pieces=(replace(opened, path=beside), *one.pieces[1:]))


def more_claimed(one: IntervalProof) -> IntervalProof:
    return replace(one, claims=tuple(replace(claim, amount=claim.amount + 2) for claim in one.claims))


def signed_anew(f: Files) -> PoolProof:
    """The same close under another key."""
    old = f.mine.settlement
    envelope = cose.sign(ed25519("stranger"), cose.ContentType.POOL, cose.parse(old.envelope).payload)
    return replace(f.mine, settlement=LoggedObject(old.type, envelope, old.leaf, old.path))


LIES: dict[str, tuple[Callable[[Files], PoolProof], str]] = {
    "an hour left out": (
        lambda f: replace(f.mine, intervals=f.mine.intervals[:1]),
        "1 of the 2 intervals of its close",
    ),
    "an hour shown twice": (lambda f: replace(f.mine, intervals=f.mine.intervals[:1] * 2), "is there twice"),
    "an hour in another's place": (first(lambda one: replace(one, index=1)), "is not in the close"),
    "an hour under another fee": (
        first(lambda one: replace(one, record=replace(one.record, fee=one.record.fee + 1))),
        "is not in the close",
    ),
    "another member's pieces": (others_pieces, "shows a meter that is not yours"),
    "one of the own pieces and one of another member": (own_and_others_piece, "shows a meter that is not yours"),
    "one piece of two": (first(lambda one: replace(one, pieces=one.pieces[:1])), "shows 1 of the 2 pieces"),
    "one piece twice": (first(lambda one: replace(one, pieces=one.pieces[:1] * 2)), "shows one piece twice"),
    "a sum altered beside a piece": (first(altered_sum), "that is not under its sums"),
    "more claimed than is due": (first(more_claimed), "the contract says"),
    "one claim twice": (first(lambda one: replace(one, claims=one.claims * 2)), "has one claim twice"),
    "a contract that the close does not name": (
        lambda f: replace(f.mine, contracts=f.mine.contracts * 2),
        "are not all that the close names",
    ),
    "another member's statement": (lambda f: replace(f.mine, statement=f.other.statement), "is another party's"),
    "another member's file": (lambda f: f.other, "is for another party"),
    "the close under another key": (signed_anew, "is not in the log at place"),
}


def test_the_honest_file_is_valid(files: Files) -> None:
    report = verify_pool(files.mine.encode(), files.policy)
    assert report.verdict == "valid"
    assert [one.name for one in report.checks][-1] == "statement"


@pytest.mark.parametrize("name", LIES)
def test_a_file_put_together_otherwise_is_refused(files: Files, name: str) -> None:
    lie, reason = LIES[name]
    report = verify_pool(lie(files).encode(), files.policy)
    assert not report.ok
    assert reason in report.verdict


def test_a_file_of_one_hour_says_that_it_holds_no_account(files: Files) -> None:
    one = replace(files.mine, intervals=files.mine.intervals[:1], statement=None)
    report = verify_pool(one.encode(), files.policy)
    assert report.verdict == "valid"
    assert report.checks[-1].words == "your account is not in this file: it holds 1 of the 2 intervals of its close"


def test_the_page_lists_them() -> None:
    assert rows_under("In a pool: the file") == [(name, f"`{reason}`") for name, (_, reason) in LIES.items()]
