"""The place of a batch in its chain, decided from values alone."""

import pytest
from tallystick_cloud.gateways.model import Head, Key
from tallystick_cloud.ingest.order import Known, Place, continues, place_of

H, OTHER = b"h" * 32, b"o" * 32
STRANGE = Known(same_hash=False, same_number=False, prev_stored=False, prev_is_sibling=False)


def head(**changes: object) -> Head:
    values = {"gid": b"g" * 16, "community": "c", "epoch": 2, "next_seq": 7, "head": H, "last_command": 0}
    values |= {"hello_nonce": b"n" * 16, "forks": 0, "fork_ms": None}
    return Head(**{**values, **changes})  # type: ignore[arg-type]


def known(**changes: bool) -> Known:
    values = {"same_hash": False, "same_number": False, "prev_stored": False, "prev_is_sibling": False}
    return Known(**{**values, **changes})


@pytest.mark.parametrize(
    ("epoch", "seq", "prev", "facts", "expected"),
    [
        (2, 7, H, STRANGE, Place.NEXT),
        (2, 7, OTHER, STRANGE, Place.WRONG_PREV),
        (2, 7, OTHER, known(prev_is_sibling=True), Place.NEXT),
        (2, 8, H, STRANGE, Place.OUT_OF_ORDER),
        (2, 3, H, STRANGE, Place.OUT_OF_ORDER),
        (2, 3, H, known(same_number=True), Place.FORK),
        (2, 3, H, known(same_hash=True, same_number=True), Place.DUPLICATE),
        (1, 3, H, known(same_hash=True), Place.DUPLICATE),
        (1, 3, H, known(same_number=True), Place.FORK),
        (1, 9, H, STRANGE, Place.WRONG_EPOCH),
        (3, 1, H, known(prev_stored=True), Place.NEW_EPOCH),
        (3, 1, OTHER, STRANGE, Place.WRONG_EPOCH),
        (3, 2, H, known(prev_stored=True), Place.WRONG_EPOCH),
        (4, 1, H, known(prev_stored=True), Place.NEW_EPOCH),
        (4, 1, OTHER, STRANGE, Place.WRONG_EPOCH),
    ],
)
def test_place(epoch: int, seq: int, prev: bytes, facts: Known, expected: Place) -> None:
    assert place_of(epoch, seq, prev, head(), facts) is expected


def test_epoch_begins_only_after_a_hello() -> None:
    assert place_of(3, 1, H, head(hello_nonce=None), known(prev_stored=True)) is Place.WRONG_EPOCH


def test_key_signs_from_its_first_batch_to_the_one_before_its_revocation() -> None:
    key = Key(b"k" * 8, b"", (1, 5), (2, 3))
    assert [key.may_sign(*place) for place in ((1, 4), (1, 5), (2, 2), (2, 3), (3, 1))] == [
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("epoch", "seq", "prev", "expected"),
    [(2, 7, H, True), (2, 7, OTHER, False), (2, 8, H, False), (2, 6, H, False), (3, 1, H, False), (1, 7, H, False)],
)
def test_a_batch_that_continues_its_chain_is_next_without_a_look(
    epoch: int, seq: int, prev: bytes, expected: bool
) -> None:
    assert continues(epoch, seq, prev, head()) is expected
    assert not expected or place_of(epoch, seq, prev, head(), STRANGE) is Place.NEXT
