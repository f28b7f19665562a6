#!/usr/bin/env python3
"""One door to everything: makes .venv with what the locks say, then runs the command you name (`python3 run.py help`).

It needs python3 >= 3.11 with venv and the package registries, no more, and checks by hash whatever it installs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MEMBERS = ("protocol", "edge", "cloud", "firmware-sim")
PACKAGES = tuple(
    f"{folder}/{name}"
    for folder, name in (
        ("protocol", "tallystick_protocol"),
        ("edge", "tallystick_edge"),
        ("cloud", "tallystick_cloud"),
        ("firmware-sim", "tallystick_sim"),
    )
)
FRONT_END = ROOT / "cloud" / "ui"
OLDEST_PYTHON = (3, 11)
WORKERS_MAX = 4  # of the tests: one more than cores, because they wait a lot; each keeps services of its own

HELP = """\
python3 run.py COMMAND [...]      (or: make COMMAND)

  demo      a small town on this machine: meters, two gateways, the aggregator, one page to watch it
            --headless --seconds N --data DIR --report FILE   without a browser, with a report to check
  cheat     be the host of that town and cheat: delete a wash, bend a scale; the verifier names what does not fit
            --headless --data DIR --report FILE   all of them, on the folder of a finished demo (default: makes one)
  test      every test that CI runs, in two passes at once; arguments go to one pytest (run.py test tests/unit -k split)
  explore   ROUNDS=N times the tests that draw by chance, with examples and seeds that nobody drew before
  check     style, types, layers, message definitions, and that every test can be read
  bench     measurements, with their figures printed (run.py bench NAME; without a name: all)
  orders    COUNT=N arrival orders of the same uploads give one balance sheet
  million   COUNT=N uses with duplicates, other orders and kill -9 must be priced and booked with 0 nano off
            --data DIR goes on where it stopped; --seconds N stops after so long; --db URL uses PostgreSQL
  crash     CYCLES=N times kill -9 at random moments, then the ledger must equal the truth
            --kill postgres,aggregator  these victims; with postgres the books are on a server of this run
  sim       SEEDS=N worlds of two virtual hours each: real gateways and aggregator, every fault drawn from the seed
            FRESH=1 plays those that are this commit's own, as CI does; --data DIR goes on where it stopped
            BUGS=1 finds bugs planted on purpose; --replay SEED shows one run; --cellars N plays metering alone
  powercut  IMAGES=N disks as power cuts may leave them; each must hold every acknowledged reading
  fuzz      EXECUTIONS=N of each border (default 500000), coverage-guided; goes on where it stopped
            --only NAME,NAME  --seconds N  --fresh   some of them, at most so long on each, from the beginning
  mutants   takes each refusal out of the verifier and turns each of its comparisons: a test must notice; goes on later
            --seconds N  --only NAME   at most so long; --record [TEST ...]  notes anew which refusal fires where
  install   only make .venv (install --tests: with what the tests need)
  lock      renew requirements/*.lock from the five pyproject.toml (needs uv)
  help      this text
"""


def say(text: str) -> None:
    """Tells the person what is going on; on stderr, so that a command's own output stays clean."""
    print(f"run.py: {text}", file=sys.stderr, flush=True)


def give_up(text: str) -> None:
    say(text)
    raise SystemExit(2)


# ---------------------------------------------------------------- installing


def digest_of(paths: list[Path]) -> str:
    """One number for the content of these files and for the Python and the place they are installed for."""
    total = hashlib.sha256(f"{sys.version_info[:3]} {ROOT}".encode())
    for path in sorted(paths):
        content = path.read_bytes()
        total.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return total.hexdigest()


def front_end_sources() -> list[Path]:
    """What the build hook turns into the served assets; an editable install never rebuilds by itself."""
    skipped = {"node_modules", "build-out", "dist"}
    found = [p for p in FRONT_END.rglob("*") if p.is_file() and not skipped & set(p.relative_to(FRONT_END).parts)]
    hook = ROOT / "cloud" / "hatch_build.py"
    return found + ([hook] if hook.exists() else [])


def member_sources() -> list[Path]:
    return [ROOT / "pyproject.toml", *(ROOT / m / "pyproject.toml" for m in MEMBERS), *front_end_sources()]


def is_stamped(stamp: Path, wanted: str) -> bool:
    return PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted


def make_venv() -> None:
    if PYTHON.exists():
        return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        give_up(f"this python3 makes no environments. On Debian and Ubuntu: sudo apt-get install python{version}-venv")
    say("making .venv")
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        give_up("python3 -m venv failed (its words are above). On Debian and Ubuntu: sudo apt-get install python3-venv")


def pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        give_up("pip failed (its words are above). Is the package registry reachable? Running it again is safe.")


def stamp_of_lock(name: str) -> tuple[Path, str]:
    return VENV / f"tallystick-{name}.stamp", digest_of([ROOT / "requirements" / f"{name}.lock"])


def lock_is_installed(name: str) -> bool:
    return is_stamped(*stamp_of_lock(name))


def install_lock(name: str) -> None:
    if lock_is_installed(name):
        return
    lock = ROOT / "requirements" / f"{name}.lock"
    stamp, wanted = stamp_of_lock(name)
    make_venv()
    count = sum(1 for line in lock.read_text().splitlines() if line[:1].isalnum())
    say(f"installing up to {count} packages, each checked by hash, from requirements/{name}.lock (once)")
    started = time.monotonic()
    pip("--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    stamp.write_text(wanted)
    say(f"installed in {time.monotonic() - started:.0f} s")


def install_members() -> None:
    stamp, wanted = VENV / "tallystick-members.stamp", digest_of(member_sources())
    if is_stamped(stamp, wanted):
        return
    say("installing the four distributions from this tree, and building the front end")
    started = time.monotonic()
    pip("--no-deps", "--no-build-isolation", *(part for m in MEMBERS for part in ("-e", f"./{m}")))
    stamp.write_text(wanted)
    say(f"installed in {time.monotonic() - started:.0f} s")


def install(*, with_tests: bool) -> None:
    if sys.version_info < OLDEST_PYTHON:
        give_up(f"needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer, this is {sys.version.split()[0]}")
    if with_tests or not lock_is_installed("test"):  # the test lock holds all that the runtime lock holds
        install_lock("test" if with_tests else "runtime")
    install_members()


# ---------------------------------------------------------------- commands


def environment() -> dict[str, str]:
    """The programs in .venv first; nothing of another environment."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    foreign |= {"PYTHONDONTWRITEBYTECODE"}  # hundreds of processes of the tests would each compile everything anew
    ours = {k: v for k, v in os.environ.items() if k not in foreign}
    return ours | {"PATH": f"{VENV / 'bin'}{os.pathsep}{ours.get('PATH', os.defpath)}", "VIRTUAL_ENV": str(VENV)}


def become(*command: str) -> int:
    """Replaces this process, so that Ctrl-C and the exit code are the command's own."""
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execvpe(command[0], list(command), environment())


def run(*command: str, cwd: Path = ROOT, output: IO[str] | None = None) -> bool:
    """Whether it ended well; what it says goes to `output`, or to the person."""
    say(" ".join(command))
    words = None if output is None else subprocess.STDOUT
    return subprocess.run(command, cwd=cwd, env=environment(), stdout=output, stderr=words, check=False).returncode == 0


def demo(arguments: list[str]) -> int:
    install(with_tests=False)
    return become(str(PYTHON), "-m", "tallystick_sim", "demo", *absolute_paths(arguments))


def cheat(arguments: list[str]) -> int:
    install(with_tests=False)
    return become(str(PYTHON), "-m", "tallystick_sim", "cheat", *absolute_paths(arguments))


def absolute_paths(arguments: list[str]) -> list[str]:
    """`--data DIR` and `--report FILE` mean the caller's folder, not ours."""
    after = ("--data", "--report")
    paths = [i + 1 for i, word in enumerate(arguments[:-1]) if word in after]
    return [str(Path(word).absolute()) if i in paths else word for i, word in enumerate(arguments)]


def test(arguments: list[str]) -> int:
    """Without arguments two passes at once: what is marked `alone` one by one, and beside it everything else."""
    install(with_tests=True)
    if arguments:
        return become(str(PYTHON), "-m", "pytest", *arguments)
    workers = min((os.cpu_count() or 1) + 1, WORKERS_MAX)
    pytest = (str(PYTHON), "-m", "pytest", "-m")
    towns = (*pytest, "alone", *files_marked("alone"))
    others = (*pytest, "not alone", "-n", str(workers), "--dist", "worksteal")
    with ThreadPoolExecutor(1) as pool, tempfile.TemporaryFile("w+") as said:
        beside = pool.submit(test_pass, "alone", towns, said)
        results = {"side by side": test_pass("side by side", others, None)}
        if not beside.done():
            say("the pass 'alone' is not over yet; its words come at its end")
        results["alone"] = beside.result()
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout)
    for name, (seconds, failed) in results.items():
        say(f"pass '{name}': {'FAILED' if failed else 'passed'} in {seconds:.0f} s")
        for line in failed:
            print(line, flush=True)
    return 1 if any(failed for _, failed in results.values()) else 0


def files_marked(marker: str) -> list[str]:
    """The test files that speak of a marker: whoever runs only these need not read the others."""
    found = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in found if f"mark.{marker}" in path.read_text()]


def explore(arguments: list[str]) -> int:
    """CI draws the same again for the same code; this draws anew, round after round, until something is found."""
    install(with_tests=True)
    rounds = int(value_of("ROUNDS", arguments, default="1"))
    for name in ("TALLYSTICK_REQUIRE_SERVICES", "TALLYSTICK_SEED"):  # with either of them nothing is drawn
        os.environ.pop(name, None)
    words = ("-m", "(hypothesis or drawn) and not alone", "-q", *(a for a in arguments if not a.startswith("ROUNDS=")))
    return 0 if all(run(str(PYTHON), "-m", "pytest", *words) for _ in range(rounds)) else 1


def test_pass(name: str, command: tuple[str, ...], output: IO[str] | None) -> tuple[float, list[str]]:
    """Seconds, and a line for each test that failed; never empty when pytest did not end well."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        slowest = ("--durations=10", "--durations-min=0.5")
        passed = run(*command, *slowest, f"--junit-xml={report}", output=output)
        failed = [] if passed else failures_in(report) or [f"FAILED pass '{name}': pytest did not end well"]
    return time.monotonic() - started, failed


def failures_in(report: Path) -> list[str]:
    """Of a JUnit file; none where there is no file."""
    if not report.exists():
        return []
    found = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        file = case.get("classname", "").replace(".", "/")
        words = {"failure": "FAILED", "error": "ERROR"}
        found += [f"{words[one.tag]} {file}.py::{case.get('name')}" for one in case if one.tag in words]
    return found


def check(arguments: list[str]) -> int:
    install(with_tests=True)
    steps = [
        ("mypy", "--strict", *PACKAGES, "run.py"),  # as long as the others together
        ("ruff", "check", "."),
        (str(PYTHON), "-m", "pytest", "-q", "--collect-only", "--no-summary", "--no-header"),
        ("lint-imports",),
        (str(PYTHON), "cloud/hatch_build.py", "--check"),
    ]
    with ThreadPoolExecutor(2) as pool:
        passed = list(pool.map(run_quietly, steps))  # all of them, so that one run tells everything
    return 0 if all(passed) else 1


def run_quietly(step: tuple[str, ...]) -> bool:
    """As `run`, beside others: what it said is told at its end, in one piece; of a step that passed, the last line."""
    done = subprocess.run(
        step, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = done.stdout.rstrip().splitlines()
    told = lines[-1:] if done.returncode == 0 else lines
    print("\n".join((f"run.py: {' '.join(step)}", *told)), file=sys.stderr, flush=True)
    return done.returncode == 0


def bench(arguments: list[str]) -> int:
    install(with_tests=True)
    known = {p.stem.removeprefix("bench_"): p for p in sorted((ROOT / "tests" / "bench").glob("*.py"))}
    chosen, rest = ([arguments[0]], arguments[1:]) if arguments else (list(known), [])
    if not set(chosen) <= set(known):
        give_up(f"no bench named {chosen[0]!r}; there are: {', '.join(known)}")
    passed = [run(str(PYTHON), str(known[name].relative_to(ROOT)), *rest) for name in chosen]
    return 0 if all(passed) else 1


def orders(arguments: list[str]) -> int:
    install(with_tests=True)
    count = value_of("COUNT", arguments, default="2000")
    return become(str(PYTHON), "tests/laws/ledger/orders.py", count)


def million(arguments: list[str]) -> int:
    install(with_tests=True)
    count = value_of("COUNT", arguments, default="1000000")
    given = (a for a in arguments if not a.startswith("COUNT="))
    return become(str(PYTHON), "tests/laws/ledger/million.py", "--count", count, *given)


def crash(arguments: list[str]) -> int:
    install(with_tests=True)
    cycles = value_of("CYCLES", arguments, default="100")
    return become(str(PYTHON), "tests/crash/crash.py", "--cycles", cycles, *(a for a in arguments if "=" not in a))


def powercut(arguments: list[str]) -> int:
    install(with_tests=True)
    images = value_of("IMAGES", arguments, default="20000")
    given = (a for a in arguments if "=" not in a)
    return become(str(PYTHON), "tests/powercut/powercut.py", "--images", images, *given)


def fuzz(arguments: list[str]) -> int:
    install(with_tests=True)
    executions = value_of("EXECUTIONS", arguments, default="500000")
    others = (a for a in arguments if "=" not in a)
    return become(str(PYTHON), "tests/fuzz/run_all.py", "--executions", executions, *others)


def sim(arguments: list[str]) -> int:
    """SEEDS=N, FRESH=1 or BUGS=1, then what `run.py sim --help` says. Sets of bytes get one order: a seed is a seed."""
    install(with_tests=True)
    given = dict(a.split("=", 1) for a in arguments if "=" in a and not a.startswith("-"))
    rest = absolute_paths([a for a in arguments if "=" not in a or a.startswith("-")])
    if (given.get("BUGS") or os.environ.get("BUGS")) and "--bugs" not in rest:
        rest = ["--bugs", *rest]
    elif (given.get("FRESH") or os.environ.get("FRESH")) and "--fresh" not in rest:
        rest = ["--fresh", *rest]
    elif not {"--seeds", "--fresh", "--replay", "--bugs", "--cellars", "--help", "-h"} & set(rest):
        rest = ["--seeds", value_of("SEEDS", arguments, default="100"), *rest]
    return become("env", "PYTHONPATH=tests", "PYTHONHASHSEED=0", str(PYTHON), "-m", "sim", *rest)


def mutants(arguments: list[str]) -> int:
    """Thousands of faults, a process each: hours on one core, and it goes on where it stopped."""
    install(with_tests=True)
    return become(str(PYTHON), "tests/mutants/run_all.py", *arguments)


def value_of(name: str, arguments: list[str], *, default: str) -> str:
    """A whole number given as NAME=VALUE on the command line or in the environment."""
    given = dict(a.split("=", 1) for a in arguments if "=" in a)
    value = given.get(name) or os.environ.get(name) or default
    if not value.isdigit() or not int(value):
        give_up(f"{name}={value}: expected a whole number above 0, as in {name}={default}")
    return value


def lock(arguments: list[str]) -> int:
    """Resolves anew in a folder of its own, because uv.lock records addresses and ours must not."""
    uv = shutil.which("uv", path=environment()["PATH"])
    if uv is None:
        give_up("renewing the locks needs uv (https://docs.astral.sh/uv/): pip install uv")
    for name, group in (("runtime", "build"), ("test", "test")):
        with tempfile.TemporaryDirectory() as folder:
            for path in (Path("pyproject.toml"), *(Path(m) / "pyproject.toml" for m in MEMBERS)):
                target = Path(folder) / path
                target.parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / path, target)
            output = ROOT / "requirements" / f"{name}.lock"
            plain = ("--no-header", "--no-annotate", "--no-emit-workspace", "--format", "requirements.txt")
            chosen = ("--all-packages", "--group", group, "-o", str(output))
            if not run(str(uv), "export", "-q", *plain, *chosen, cwd=Path(folder)):
                return 1
    return 0


def install_only(arguments: list[str]) -> int:
    install(with_tests="--tests" in arguments)
    return 0


def show_help(arguments: list[str]) -> int:
    print(HELP, end="")
    return 0


COMMANDS = {
    "demo": demo,
    "cheat": cheat,
    "test": test,
    "explore": explore,
    "check": check,
    "bench": bench,
    "orders": orders,
    "million": million,
    "crash": crash,
    "fuzz": fuzz,
    "mutants": mutants,
    "powercut": powercut,
    "sim": sim,
    "install": install_only,
    "lock": lock,
    "help": show_help,
    "-h": show_help,
    "--help": show_help,
}


def main(arguments: list[str]) -> int:
    if not arguments:
        return show_help([])
    if arguments[0] not in COMMANDS:
        give_up(f"no command {arguments[0]!r}\n\n{HELP}")
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
