"""The log: what is appended is in it, proofs verify, checkpoints only grow, tiles rebuild the root."""

from collections.abc import Iterator

import pytest
from support.books import T0, Books, open_books
from tallystick_cloud.errors import NotFound
from tallystick_cloud.log import service, signing
from tallystick_protocol import merkle
from tallystick_protocol.checkpoint import open_checkpoint
from tallystick_protocol.codes import LogType
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.records import log_leaf

NAME = "lindenhof"


@pytest.fixture
def books() -> Iterator[Books]:
    found = open_books()
    yield found
    found.database.close()


def fill(books: Books, count: int, first: int = 0) -> list[int]:
    numbers = range(first, first + count)
    entries = [service.Entry(LogType.BATCH, sha256(number.to_bytes(4, "big"))) for number in numbers]
    return books.database.write_now(service.append, NAME, entries, T0)


def checkpoint(books: Books, now_ms: int = T0) -> bytes:
    return books.database.write_now(signing.checkpoint, books.aggregator.of(NAME), now_ms)


def test_every_leaf_is_proven_in_the_signed_tree(books: Books) -> None:
    leaves = fill(books, 37)
    context = books.aggregator.of(NAME)
    signed = open_checkpoint(checkpoint(books), context.log_origin, public_key_of(context.keys.log))
    assert signed.size == leaves[-1] + 1
    for index, leaf in enumerate(leaves):
        proof = books.database.read_now(service.inclusion, NAME, leaf, signed.size)
        hashed = merkle.leaf_hash(log_leaf(LogType.BATCH, H32(sha256(index.to_bytes(4, "big")))))
        merkle.verify_inclusion(leaf, signed.size, hashed, proof.path, signed.root)


def test_checkpoint_is_signed_anew_only_after_an_append_or_a_day(books: Books) -> None:
    first = checkpoint(books)
    assert checkpoint(books, T0 + 1_000) == first
    fill(books, 1)
    second = checkpoint(books, T0 + 2_000)
    assert second != first
    assert books.database.read_now(service.newest_note, NAME) == second


def test_tiles_rebuild_the_root(books: Books) -> None:
    fill(books, 300)
    context = books.aggregator.of(NAME)
    signed = open_checkpoint(checkpoint(books), context.log_origin, public_key_of(context.keys.log))
    full = books.database.read_now(service.tile, NAME, 0, 0, 256)
    rest = books.database.read_now(service.tile, NAME, 0, 1, signed.size - 256)
    joined = full + rest
    hashes = [H32(joined[at : at + 32]) for at in range(0, len(joined), 32)]
    assert merkle.root(hashes) == signed.root
    above = books.database.read_now(service.tile, NAME, 1, 0, 1)
    assert above == merkle.root(hashes[:256])


def test_tile_beyond_the_checkpoint_is_not_served(books: Books) -> None:
    fill(books, 3)
    checkpoint(books)
    fill(books, 300, first=3)
    with pytest.raises(NotFound, match="not complete"):
        books.database.read_now(service.tile, NAME, 0, 0, 256)
    with pytest.raises(NotFound, match="not in a tree"):
        books.database.read_now(service.inclusion, NAME, 5, 10_000)
