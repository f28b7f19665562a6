"""Which adverts are new, repeats or old ones: counters that wrap, stores that outlive a restart, sensors cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ble import KEY, SENSOR, MemoryReplayStore
from tallystick_edge.drivers.ble_replay import RESYNC_RUN, Freshness, Last, ReplayGuard, freshness, place_of
from tallystick_edge.drivers.bthome import Advert

A, B = b"a" * 32, b"b" * 32


def advert(counter: int, bits: int = 32, plaintext: bytes = b"") -> Advert:
    return Advert(counter, bits, (), plaintext or str(counter).encode())


@pytest.mark.parametrize(
    ("before", "now", "bits", "digest", "verdict"),
    [
        (11, 12, 32, A, Freshness.NEW),
        (11, 11, 32, A, Freshness.REPEAT),
        (11, 11, 32, B, Freshness.NEW),
        (11, 9, 32, B, Freshness.OLD),
        (2**32 - 1, 0, 32, B, Freshness.NEW),
        (0, 2**32 - 1, 32, B, Freshness.OLD),
        (255, 0, 8, B, Freshness.NEW),
        (0, 255, 8, B, Freshness.OLD),
        (10, 137, 8, B, Freshness.NEW),
        (10, 138, 8, B, Freshness.OLD),
        (0, 0, 0, A, Freshness.REPEAT),
        (0, 0, 0, B, Freshness.NEW),
    ],
)
def test_counter_is_judged_by_less_than_half_a_turn(before, now, bits, digest, verdict) -> None:
    assert freshness(Last(before, A), now, bits, digest) is verdict


def test_first_advert_ever_is_new() -> None:
    assert freshness(None, 0, 32, A) is Freshness.NEW


@given(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=30), st.data())
def test_nothing_heard_before_is_ever_accepted_again(steps: list[int], data: st.DataObject) -> None:
    guard = ReplayGuard(MemoryReplayStore())
    counter, heard = 0, []
    for step in steps[:4]:  # under a whole turn in sum never guaranteed for more than two half turns
        counter += step // 4
        heard.append(advert(counter % 2**32, plaintext=str(len(heard)).encode()))
        guard.judge(SENSOR, heard[-1])
    again = data.draw(st.sampled_from(heard))
    assert guard.judge(SENSOR, again) in {Freshness.OLD, Freshness.REPEAT} or again.counter == heard[-1].counter


def test_replay_is_refused_after_a_restart_through_the_store() -> None:
    store = MemoryReplayStore()
    assert ReplayGuard(store).judge(SENSOR, advert(90_211)) is Freshness.NEW
    assert ReplayGuard(store).judge(SENSOR, advert(90_210)) is Freshness.OLD
    assert ReplayGuard(store).judge(SENSOR, advert(90_211)) is Freshness.REPEAT
    assert store.last(SENSOR)[0] == 90_211


def test_encrypted_counter_that_starts_again_stays_refused() -> None:
    guard = ReplayGuard(MemoryReplayStore())
    guard.judge(SENSOR, advert(1_000))
    assert {guard.judge(SENSOR, advert(n)) for n in range(100)} == {Freshness.OLD}


def test_plain_sensor_that_was_out_of_range_is_believed_again_after_a_run() -> None:
    guard = ReplayGuard(MemoryReplayStore())
    guard.judge(SENSOR, advert(10, 8))
    verdicts = [guard.judge(SENSOR, advert((200 + n) % 256, 8)) for n in range(RESYNC_RUN + 1)]
    assert verdicts == [Freshness.OLD] * (RESYNC_RUN - 1) + [Freshness.NEW] * 2


def test_one_old_plain_advert_played_again_and_again_is_never_believed() -> None:
    guard = ReplayGuard(MemoryReplayStore())
    guard.judge(SENSOR, advert(100, 8))
    assert {guard.judge(SENSOR, advert(90, 8)) for _ in range(200)} == {Freshness.OLD}


def test_good_adverts_between_old_ones_start_the_run_again() -> None:
    guard = ReplayGuard(MemoryReplayStore())
    guard.judge(SENSOR, advert(100, 8))
    for n in range(60):
        assert guard.judge(SENSOR, advert(20 + n, 8)) is Freshness.OLD
        assert guard.judge(SENSOR, advert(101 + n, 8)) is Freshness.NEW


def test_a_counter_begins_anew_with_another_key_a_confirmed_restart_or_encryption() -> None:
    """What was heard before can verify under none of the first; people vouch for the second."""
    known = [(None, None), (KEY, None), (bytes(16), None), (KEY, "Eva, 2026-12-01"), (KEY, "Eva, 2027-12-01")]
    assert len({place_of(SENSOR, key, restarted) for key, restarted in known}) == len(known)
    assert place_of(SENSOR, KEY, "Eva, 2026-12-01") == place_of(SENSOR, KEY, "Eva, 2026-12-01")
    assert KEY.hex() not in place_of(SENSOR, KEY, None)
