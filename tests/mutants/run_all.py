"""Takes each refusal out of the verifier, one at a time, and turns each of its comparisons: some test must fail.
Prints those that no test notices, a table and JSON lines; exits 1 when there are more of them than are known.

    python tests/mutants/run_all.py [--seconds 280] [--only chains.py] [--state .mutants]
    python tests/mutants/run_all.py --record [TEST ...]      which refusal fires in which test, for laws/verify

What was noticed is kept in the state folder and not tried again until its function changes, so that a run that was
stopped goes on. Each fault is made in a process of its own, forked after the slow imports."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import pytest  # noqa: E402
from _pytest.runner import runtestprotocol  # noqa: E402
from mutants.mutant import Mutant, mutants  # noqa: E402
from mutants.recorder import ROOT, TESTS, Recorder, renewed  # noqa: E402
from support import refusals  # noqa: E402

QUIET = ("-q", "--no-header", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
HONEST = (
    "tests/unit/verify/test_cheats.py::test_a_party_to_the_split_finds_the_honest_file_valid",
    "tests/unit/verify/test_cheats.py::test_a_payer_finds_the_honest_file_valid_with_the_split_as_committed",
    "tests/unit/verify/test_meters.py::test_a_payer_finds_the_day_valid_slice_by_slice",
    "tests/unit/verify/test_meters.py::test_a_party_to_the_split_finds_it_valid_without_a_curve",
)
HANG_S = 20  # of processor time: a verifier that no longer ends is noticed
UNNOTICED, NOTICED, BROKEN = 0, 1, 2  # exit codes of the forks


@dataclass(slots=True)
class State:
    """Mutant -> the code of its function, of what a test noticed and of what none did."""

    folder: Path
    noticed: dict[str, str] = field(default_factory=dict)
    unnoticed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> State:
        path = folder / "done.json"
        kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return cls(folder, **kept)

    def save(self) -> None:
        self.folder.mkdir(exist_ok=True)
        new = self.folder / "done.json.new"
        new.write_text(json.dumps({"noticed": self.noticed, "unnoticed": self.unnoticed}))
        new.replace(self.folder / "done.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", nargs="*", metavar="TEST", help="only note anew which refusal fires where")
    parser.add_argument("--seconds", type=float, default=1e9, help="at most so long now")
    parser.add_argument("--only", default="", help="mutants with all of this, comma between, in their names")
    parser.add_argument("--state", type=Path, default=ROOT / ".mutants", help="what is kept between runs")
    parser.add_argument("--quick", action="store_true", help="only the tests that the register names, and honest files")
    options = parser.parse_args()
    if options.record is not None:
        recorder = Recorder()
        if not played(options.record or TESTS, recorder):
            return 1
        refusals.write_register(renewed(recorder))
        return 0
    state = State.load(options.state)
    wanted = [one for one in mutants() if all(part in one.name for part in options.only.split(","))]
    left = [one for one in wanted if state.noticed.get(one.name) != one.code]
    left.sort(key=lambda one: one.name in state.unnoticed)  # what nobody tried yet comes first
    tests = sorted({name.split("::")[0] for one in left for name in likely(one)}) if options.quick else TESTS
    played(tests, Trying(left, state, time.monotonic() + options.seconds, is_quick=options.quick))
    return report(wanted, state)


def played(tests: Sequence[str], plugin: object) -> bool:
    """Whether all of them passed."""
    with refusals.forgotten():
        return not pytest.main([*QUIET, *(str(ROOT / one) for one in tests)], [plugin])


def warm() -> None:
    """What most tests need is made before the processes part."""
    from fuzz import forged_evidence as evidence
    from fuzz import forged_sums as sums
    from support import evidence_world as w
    from support.cheats import honest

    for scene in (honest, sums.pools, sums.paid_by_consumers, sums.bill):
        scene()
    for of in (evidence.months, evidence.metered, evidence.late):
        of(w.BANK), of(w.ANNA)


class Trying:
    """A plugin of pytest: plays the tests that it collected for one mutant after the other, each in a fork."""

    def __init__(self, left: Sequence[Mutant], state: State, ends: float, *, is_quick: bool) -> None:
        self._left, self._state, self._ends, self._is_quick = left, state, ends, is_quick

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        warm()
        items = {item.nodeid: item for item in session.items}
        for one in self._left:
            if time.monotonic() > self._ends:
                break
            chosen = [item for name, item in items.items() if {name, name.split("[")[0]} & likely(one)]
            rest = [] if self._is_quick else [item for item in session.items if item not in chosen]
            self._note(one, is_noticed=_is_noticed(one, chosen) or (bool(rest) and _is_noticed(one, rest)))
        return True

    def _note(self, one: Mutant, *, is_noticed: bool) -> None:
        self._state.noticed.pop(one.name, None)
        self._state.unnoticed.pop(one.name, None)
        if is_noticed:
            self._state.noticed[one.name] = one.code
        else:
            self._state.unnoticed[one.name] = one.code
            print(f"mutants: no test notices: {one.name}", file=sys.stderr, flush=True)
        self._state.save()


def likely(one: Mutant) -> set[str]:
    """The test in which a refusal fires; of a comparison those of all refusals of its function, and honest files."""
    register = refusals.register()
    if one.refusal:
        return {register[one.refusal]}
    mine = f"{one.file} {one.function}: "
    return {*HONEST, *(test for key, test in register.items() if key.startswith(mine))}


def _is_noticed(one: Mutant, items: Sequence[pytest.Item]) -> bool:
    """Whether a test fails, or none ends."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        try:
            one.apply()
            for item, following in zip(items, [*items[1:], None], strict=True):
                if any(told.failed for told in runtestprotocol(item, log=False, nextitem=following)):
                    os._exit(NOTICED)
            os._exit(UNNOTICED)
        except BaseException:  # whatever it is: the fork ends here
            os.write(2, traceback.format_exc().encode())
            os._exit(BROKEN)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == BROKEN:
        raise RuntimeError(f"cannot be tried: {one.name}")
    return status != UNNOTICED


def report(wanted: Sequence[Mutant], state: State) -> int:
    ok = True
    print(f"{'mutants':16}{'all':>8}{'noticed':>10}{'unnoticed':>11}{'not tried':>11}")
    for kind, name in ((" | out", "refusals out"), (" | flipped", "comparisons")):
        names = {one.name: one.code for one in wanted if kind in one.name}
        noticed = sum(state.noticed.get(each) == code for each, code in names.items())
        missed = sum(state.unnoticed.get(each) == code for each, code in names.items())
        print(f"{name:16}{len(names):>8}{noticed:>10}{missed:>11}{len(names) - noticed - missed:>11}")
        line = {"name": f"mutants.{name.replace(' ', '-')}", "value": missed, "unit": "unnoticed", "of": len(names)}
        ok &= not missed
        print(json.dumps(line | {"noticed": noticed, "goal": 0, "ok": not missed}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
