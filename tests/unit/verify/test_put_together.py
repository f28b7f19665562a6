"""An evidence file whose objects are real and signed, and put together otherwise: refused by what is wrong with it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest
from support.protocol_samples import h32
from tallystick_protocol.codes import LogType
from tallystick_protocol.evidence import Evidence, LoggedObject, Proof
from tallystick_protocol.evidence_file import unpack
from tallystick_protocol.verify import VALID, verify_evidence


def one_object(change: Callable[[LoggedObject, LoggedObject], LoggedObject]) -> Callable[[Evidence], Evidence]:
    """The second object, made anew from the first one and itself."""

    def lie(file: Evidence) -> Evidence:
        first, second, *rest = file.objects
        return replace(file, objects=(first, change(first, second), *rest))

    return lie


def another_kind(_: LoggedObject, second: LoggedObject) -> LoggedObject:
    other = LogType.INPUT if second.type is not LogType.INPUT else LogType.KEY
    return replace(second, type=other)


LIES: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "an object twice": (one_object(lambda first, _: first), "holds one signed object twice"),
    "two objects in one place": (
        one_object(lambda first, second: replace(second, leaf=first.leaf)),
        "gives two objects one place in the log",
    ),
    "an object as something else": (one_object(another_kind), "stands in the log as something else"),
    "a proof that nobody asks for": (
        lambda file: replace(file, proofs=(*file.proofs, Proof(file.proofs[-1].size + 1, (h32("proof"),)))),
        "brings a consistency proof that no batch asks for",
    ),
    "nothing to verify": (
        lambda file: replace(file, objects=file.objects[:1], pieces=(), proofs=()),
        "holds no settlement",
    ),
    "one piece twice": (lambda file: replace(file, pieces=(*file.pieces, file.pieces[0])), "opens one piece twice"),
}


@pytest.fixture(scope="module")
def file() -> Evidence:
    return Evidence.decode(unpack(b.evidence(honest(), w.BANK)))


def test_the_honest_file_is_valid_as_it_is(file: Evidence) -> None:
    assert verify_evidence(file.encode(), w.policy(w.BANK)).verdict == VALID


@pytest.mark.parametrize("name", LIES)
def test_a_file_put_together_otherwise_is_refused(file: Evidence, name: str) -> None:
    lie, reason = LIES[name]
    report = verify_evidence(lie(file).encode(), w.policy(w.BANK))
    assert not report.ok
    assert reason in report.verdict
