"""Fuzzes every border with atheris (libFuzzer for Python): coverage says which bytes are worth changing further.
Prints progress, a table and one JSON line per target; exits 1 when anything but a border's own error came out.

    python tests/fuzz/run_all.py [--executions 500000] [--only cbor,part] [--state .fuzz] [--ci]

What was done and learned is kept in the state folder, so that a run that was stopped goes on where it was. When a file
that a target's seeds get into has changed, its executions begin at 0 again; the inputs that were worth keeping stay.
Each slice of a target runs in a process of its own, forked after the one slow import."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import atheris  # type: ignore[import-untyped, unused-ignore]  # noqa: E402

INSTRUMENTED = [  # not tomllib: with it a TOML target is three to five times as slow, and all that it adds is TOML
    "tallystick_protocol",
    "tallystick_edge",
    "tallystick_cloud",
    "pymodbus.framer",
    "pymodbus.pdu",
]
with (
    contextlib.redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=INSTRUMENTED),
):  # it names each module
    from fuzz.targets import TARGETS

from fuzz.reach import fingerprint  # noqa: E402
from fuzz.target import Target  # noqa: E402

SLICE = 50_000  # executions between two saves; an interruption costs at most so many
SLICE_S_MAX = 60  # the same in time, for slow targets
REST_S = 0.3  # of the processor: what is left to a target is not worth another slice, which takes a second at least
HANG_S = 60  # wall time after which libFuzzer ends an input that never returns; a second of processor time is the limit
MEMORY_MIB_MAX = 2048
FINDINGS_MAX = 3  # of one target; further ones are mostly the same again
_DONE = re.compile(rb"stat::number_of_executed_units:\s+(\d+)")
_END = b"stat::peak_rss_mb"  # its last line
_EDGES = re.compile(rb"cov: (\d+)")


@dataclass(slots=True)
class State:
    """What is known of one target: executions and processor seconds on the code that is named, edges seen, files of
    findings. `before`: executions on other code."""

    code: str
    before: int = 0
    executions: int = 0
    seconds: float = 0.0
    edges: int = 0
    findings: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path, code: str) -> State:
        path = folder / "done.json"
        if not path.exists():
            return cls(code)
        kept: dict[str, Any] = json.loads(path.read_text())
        before, executions = kept.get("before", 0), kept["executions"]
        if kept.get("code") != code:
            return cls(code, before + executions)
        return cls(code, before, executions, kept["seconds"], kept["edges"], tuple(kept["findings"]))

    def save(self, folder: Path) -> None:
        new = folder / "done.json.new"
        new.write_text(json.dumps(asdict(self)))
        new.replace(folder / "done.json")


def fuzz(target: Target, goal: int, folder: Path, seconds_max: float, code: str) -> State:
    """Bring `target` to `goal` executions on `code`, or to as many as fit `seconds_max` of the processor from now."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    state = State.load(folder, code)
    left_s = seconds_max
    while state.executions < goal and left_s > REST_S and len(state.findings) < FINDINGS_MAX:
        runs = min(SLICE, goal - state.executions)
        found = _slice(target, runs, folder, max(1, min(SLICE_S_MAX, round(left_s))))
        left_s -= found.seconds
        state.executions += _number(_DONE, found.log)
        state.edges = max(state.edges, _number(_EDGES, found.log))
        state.seconds = round(state.seconds + found.seconds, 1)
        state.findings += found.files
        state.save(folder)
        if seconds_max > SLICE_S_MAX:
            say(f"{target.name}: {state.executions:,} of {goal:,}, {state.edges} edges, {len(state.findings)} findings")
        if not found.files and not _number(_DONE, found.log):
            raise SystemExit(f"{target.name}: the fuzzer itself ended:\n{found.log[-2000:].decode(errors='replace')}")
    return state


def code_of(target: Target) -> str:
    """Its fingerprint, found in a process in which nothing has run yet: what is cached is not entered again."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, fingerprint(target).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found = pipe.read().decode()
    os.waitpid(child, 0)
    return found


class Codes:
    """Asks a process that was forked at the start, and in which nothing runs, for the code of a target."""

    def __init__(self) -> None:
        asked, self._ask = os.pipe()
        self._told, tell = os.pipe()
        if os.fork() == 0:
            os.close(self._ask)
            with os.fdopen(asked) as names:
                for name in names:
                    os.write(tell, f"{code_of(TARGETS[name.strip()])}\n".encode())
            os._exit(0)
        os.close(asked)
        os.close(tell)

    def __getitem__(self, name: str) -> str:
        os.write(self._ask, f"{name}\n".encode())
        told = os.read(self._told, 64).decode().strip()
        if not told:
            raise SystemExit(f"{name}: its own seeds are findings; run tests/fuzz/test_regressions.py")
        return told


@dataclass(frozen=True, slots=True)
class Slice:
    log: bytes
    files: tuple[str, ...]
    seconds: float  # of the processor: the wall clock says more of a shared machine than of the target


def _slice(target: Target, runs: int, folder: Path, seconds: int) -> Slice:
    """One forked process; libFuzzer never returns, it ends the process."""
    log, findings = folder / "log.txt", folder / "findings"
    findings.mkdir(exist_ok=True)
    before = set(findings.iterdir())
    child = os.fork()
    if child == 0:
        _become_fuzzer(target, runs, folder, seconds, log)
    _, status, used = os.wait4(child, 0)
    new = tuple(sorted(path.name for path in set(findings.iterdir()) - before))
    code, told = os.waitstatus_to_exitcode(status), log.read_bytes()
    is_late_alarm = code == -signal.SIGALRM and _END in told  # libFuzzer's own clock, rung after it was done
    if code and not new and not is_late_alarm:
        new = (f"(exit {code}, see {log})",)
    return Slice(told, new, used.ru_utime + used.ru_stime)


def _become_fuzzer(target: Target, runs: int, folder: Path, seconds: int, log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    arguments = [
        target.name,
        str(folder / "corpus"),
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        f"-max_len={target.bytes_max}",
        f"-timeout={HANG_S}",
        f"-report_slow_units={HANG_S}",  # by the wall clock too: on a machine with other work nothing is slow by itself
        f"-rss_limit_mb={MEMORY_MIB_MAX}",
        f"-artifact_prefix={folder / 'findings'}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, target.run)
    atheris.Fuzz()
    sys.exit(0)  # never back into the parent's code


def _number(pattern: re.Pattern[bytes], log: bytes) -> int:
    return max((int(number) for number in pattern.findall(log)), default=0)


def say(text: str) -> None:
    print(f"fuzz: {text}", file=sys.stderr, flush=True)


def result(target: Target, state: State, goal: int, may_be_fewer: bool) -> dict[str, object]:
    """`may_be_fewer`: in CI the time is the limit, and how many fitted is printed, not judged."""
    ok = not state.findings and (may_be_fewer or state.executions >= goal)
    return {
        "name": f"fuzz.{target.name}",
        "value": state.executions,
        "unit": "executions",
        "goal": f">= {goal}, 0 findings",
        "ok": ok,
        "findings": list(state.findings),
        "cpu_s": state.seconds,
        "edges": state.edges,
        "code": state.code,
        "before": state.before,
    }


def report(lines: list[dict[str, object]], folder: Path) -> None:
    print(f"{'target':24}{'executions':>12}{'before':>12}{'cpu s':>10}{'edges':>8}  {'goal':28}ok")
    for line in lines:
        mark = "yes" if line["ok"] else "NO"
        numbers = f"{line['value']:>12,}{line['before']:>12,}{line['cpu_s']:>10}{line['edges']:>8}"
        print(f"{line['name']:24}{numbers}  {line['goal']:28}{mark}")
    for line in lines:
        print(json.dumps(line))
    for line in lines:
        for name in line["findings"]:  # type: ignore[attr-defined]
            target = str(line["name"]).removeprefix("fuzz.")
            path = folder / target / "findings" / name
            say(f"{target}: {path}; see it: python tests/fuzz/again.py {target} FILE")
            if path.exists():  # whole, because CI keeps no files
                say(f"line for tests/fuzz/regressions.txt:\n{target} {path.read_bytes().hex() or '-'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=500_000, help="of each target")
    parser.add_argument("--only", help="names with commas between; all without it")
    parser.add_argument("--state", type=Path, default=FOLDER.parents[1] / ".fuzz", help="what is kept between runs")
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="of the processor, at most, for each target now; then fewer will do"
    )
    parser.add_argument("--ci", action="store_true", help="the short cut: 20,000 each, fewer where one is slow")
    parser.add_argument("--fresh", action="store_true", help="forget what the state folder holds")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(TARGETS)
    if options.executions < 1 or not set(names) <= set(TARGETS):
        parser.error(f"--executions must be 1 or more; --only takes: {', '.join(TARGETS)}")
    if options.fresh:
        shutil.rmtree(options.state, ignore_errors=True)
    codes = dict.fromkeys(names, "") if options.ci else Codes()  # CI keeps no state
    lines = []
    for name in names:
        target = TARGETS[name]
        goal = min(target.ci, options.executions) if options.ci else options.executions
        state = fuzz(target, goal, options.state / name, options.seconds, codes[name])
        lines.append(result(target, state, goal, options.ci))
    report(lines, options.state)
    total = sum(int(str(line["value"])) for line in lines)
    print(json.dumps({"name": "fuzz.total", "value": total, "unit": "executions", "goal": None, "ok": True}))
    return 0 if all(line["ok"] for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
