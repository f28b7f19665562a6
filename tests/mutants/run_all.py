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

QUIET = ("-q", "--no-header", "-p", "no:cacheprovider")
HANG_S = 120  # of processor time: a verifier that no longer ends is noticed
NOTICED, UNNOTICED = 1, 0  # exit codes of pytest


@dataclass(slots=True)
class State:
    """`fired` and `seconds` by test; `noticed`: mutant -> the code of its function and the test that failed."""

    folder: Path
    fired: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    noticed: dict[str, str] = field(default_factory=dict)
    unnoticed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> State:
        path = folder / "done.json"
        kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return cls(folder, **kept)

    def save(self) -> None:
        self.folder.mkdir(exist_ok=True)
        kept = {name: getattr(self, name) for name in ("fired", "seconds", "noticed", "unnoticed")}
        new = self.folder / "done.json.new"
        new.write_text(json.dumps(kept))
        new.replace(self.folder / "done.json")

    def note(self, recorder: Recorder) -> None:
        files = {test.split("::")[0] for test in recorder.fired}
        for kept in (self.fired, self.seconds):
            for test in [test for test in kept if test.split("::")[0] in files]:
                del kept[test]  # type: ignore[attr-defined]
        self.fired |= {test: sorted(keys) for test, keys in recorder.fired.items()}
        self.seconds |= {test: round(recorder.seconds.get(test, 0.0), 3) for test in recorder.fired}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", nargs="*", metavar="TEST", help="only note anew which refusal fires where")
    parser.add_argument("--seconds", type=float, default=1e9, help="at most so long now")
    parser.add_argument("--only", default="", help="mutants with this in their names")
    parser.add_argument("--state", type=Path, default=ROOT / ".mutants", help="what is kept between runs")
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    state = State.load(options.state)
    if options.record is not None or not state.fired:
        recorder = run(options.record or TESTS)
        if recorder is None:
            return 1
        state.note(recorder)
        state.save()
        if options.record is not None:
            refusals.write_register(renewed(recorder))
            return 0
    else:
        warm()
    wanted = [one for one in mutants() if options.only in one.name]
    for one in wanted:
        if time.monotonic() > ends:
            break
        if state.noticed.get(one.name) != one.code:
            try_out(one, state)
    return report(wanted, state)


def run(tests: Sequence[str]) -> Recorder | None:
    """None where a test failed."""
    recorder = Recorder()
    with refusals.forgotten():
        failed = pytest.main([*QUIET, *(str(ROOT / one) for one in tests)], [recorder])
    return None if failed else recorder


def warm() -> None:
    """What every test needs is read and made before the processes part."""
    from fuzz import forged_sums
    from support.cheats import honest

    pytest.main([*QUIET, "-qq", "--collect-only", *(str(ROOT / one) for one in TESTS)])
    honest()
    for made in (forged_sums.pools, forged_sums.paid_by_consumers, forged_sums.bill):
        made()


def try_out(one: Mutant, state: State) -> None:
    """In a process of its own; `state` learns whether a test failed."""
    tests = candidates(one, state)
    code = _played(one, tests) if tests else UNNOTICED
    state.noticed.pop(one.name, None)
    state.unnoticed.pop(one.name, None)
    if code == UNNOTICED:
        state.unnoticed[one.name] = one.code
        print(f"mutants: no test of {len(tests)} notices: {one.name}", file=sys.stderr, flush=True)
    else:
        state.noticed[one.name] = one.code
    state.save()


def candidates(one: Mutant, state: State) -> list[str]:
    """A refusal that is taken out concerns the tests in which it fires; a comparison concerns all, first those in which
    its function refuses."""
    if one.refusal:
        tests = [test for test, keys in state.fired.items() if one.refusal in keys]
        return sorted(tests, key=lambda test: state.seconds[test])
    mine = {f"{one.file} {one.function}"}
    fires = {test for test, keys in state.fired.items() if mine & {key.split(":")[0] for key in keys}}
    return sorted(state.fired, key=lambda test: (test not in fires, state.seconds[test]))


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
