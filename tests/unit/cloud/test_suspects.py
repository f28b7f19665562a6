"""Which uploads are tried by themselves: those of a group that ended a process, until they are answered."""

from tallystick_cloud.ingest.suspects import KEPT_MAX, Suspects


def test_those_of_a_group_are_suspects_and_only_who_was_alone_is_counted() -> None:
    suspects = Suspects()
    assert b"one" not in suspects
    assert suspects.blame([b"one", b"two"]) == 0
    assert [word in suspects for word in (b"one", b"two", b"three")] == [True, True, False]
    assert [suspects.blame([b"one"]) for _ in range(2)] == [1, 2]
    suspects.clear(b"one")
    assert [word in suspects for word in (b"one", b"two")] == [False, True]
    assert suspects.blame([b"one"]) == 1


def test_the_oldest_are_forgotten() -> None:
    suspects = Suspects()
    suspects.blame([b"first"])
    suspects.blame([b"second"])
    suspects.blame([b"first"])
    suspects.blame(str(number).encode() for number in range(KEPT_MAX - 1))
    assert [word in suspects for word in (b"first", b"second")] == [True, False]
