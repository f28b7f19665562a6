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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import pytest  # noqa: E402
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
HANG_S = 120  # of processor time: a verifier that no longer ends is noticed
NOTICED, UNNOTICED = 1, 0  # exit codes of pytest


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
    parser.add_argument("--only", default="", help="mutants with this in their names")
    parser.add_argument("--state", type=Path, default=ROOT / ".mutants", help="what is kept between runs")
    parser.add_argument("--quick", action="store_true", help="only the tests that the register names, and honest files")
    options = parser.parse_args()
    if options.record is not None:
        return record(options.record or TESTS)
    ends = time.monotonic() + options.seconds
    state = State.load(options.state)
    wanted = [one for one in mutants() if options.only in one.name]
    left = [one for one in wanted if state.noticed.get(one.name) != one.code]
    warm()
    for one in sorted(left, key=lambda one: one.name in state.unnoticed):  # what nobody tried yet comes first
        if time.monotonic() > ends:
            break
        try_out(one, state, TESTS if not options.quick else ())
    return report(wanted, state)


def record(tests: Sequence[str]) -> int:
    recorder = Recorder()
    with refusals.forgotten():
        failed = pytest.main([*QUIET, *(str(ROOT / one) for one in tests)], [recorder])
    if not failed:
        refusals.write_register(renewed(recorder))
    return int(failed)


def warm() -> None:
    """What every test needs is read and made before the processes part."""
    pytest.main([*QUIET, "-qq", "--collect-only", *(str(ROOT / one) for one in TESTS)])
    from fuzz import forged_sums
    from support.cheats import honest

    honest()
    for made in (forged_sums.pools, forged_sums.paid_by_consumers, forged_sums.bill):
        made()


def try_out(one: Mutant, state: State, all_tests: Sequence[str]) -> None:
    """In a process of its own, first with the few tests that most likely notice it; `state` learns whether one did."""
    code = _played(one, likely(one))
    if code == UNNOTICED and all_tests:
        code = _played(one, all_tests)
    state.noticed.pop(one.name, None)
    state.unnoticed.pop(one.name, None)
    if code == UNNOTICED:
        state.unnoticed[one.name] = one.code
        say(f"no test notices: {one.name}")
    else:
        state.noticed[one.name] = one.code
    state.save()


def likely(one: Mutant) -> Sequence[str]:
    """The test in which a refusal fires; of a comparison those of all refusals of its function, and honest files."""
    if one.refusal:
        return [refusals.register()[one.refusal]]
    mine = f"{one.file} {one.function}: "
    return [*HONEST, *sorted({test for key, test in refusals.register().items() if key.startswith(mine)})]


def say(text: str) -> None:
    print(f"mutants: {text}", file=sys.stderr, flush=True)


def _played(one: Mutant, tests: Sequence[str]) -> int:
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        try:
            one.apply()
            with refusals.forgotten():
                os._exit(int(pytest.main([*QUIET, "-x", *(str(ROOT / test) for test in tests)])))
        finally:
            os._exit(NOTICED)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > NOTICED:
        raise SystemExit(f"pytest did not run for {one.name}: exit code {status}")
    return status


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
