"""Two gateways beside each other: ours over MQTT with signing on, and ThingsBoard IoT Gateway 3.8.5 as it comes.

Same simulated meters (20 x 10 values each second), same Mosquitto, one run. Prints a table and one JSON line per
figure; exits 1 when a goal is missed. The peer is installed into a folder of its own, outside the repository.

    python tests/bench/bench_edge.py [--only=steady,silent] [--without-peer] [--seconds=60] [--cache=DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateways.peer import NotInstalled, install
from gateways.phases import PHASES, Bench
from gateways.report import Report

SECONDS_MIN, SECONDS_MAX = 5, 600


def parsed() -> argparse.Namespace:
    assert __doc__ is not None
    lines = __doc__.splitlines()
    parser = argparse.ArgumentParser(description=lines[0], epilog=lines[-2].strip())
    parser.add_argument("--only", default=",".join(PHASES), help=f"phases, joined by commas ({','.join(PHASES)})")
    parser.add_argument("--seconds", type=int, default=60, help="how long each trouble lasts (60)")
    parser.add_argument("--without-peer", action="store_true", help="our gateway alone; ratios are not measured")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tallystick-bench"
    parser.add_argument("--cache", type=Path, default=cache, help=f"where the peer is installed ({cache})")
    given = parser.parse_args()
    unknown = set(given.only.split(",")) - set(PHASES)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(PHASES)}")
    if not SECONDS_MIN <= given.seconds <= SECONDS_MAX:
        parser.error(f"--seconds: {given.seconds} is not from {SECONDS_MIN} to {SECONDS_MAX}")
    return given


def peer_python(given: argparse.Namespace) -> Path | None:
    if given.without_peer:
        return None
    try:
        return install(given.cache)
    except NotInstalled as error:
        print(f"the peer cannot be installed here, its figures are not measured: {error}", file=sys.stderr)
        return None


async def measure(given: argparse.Namespace, python: Path | None) -> Report:
    report = Report()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        bench = Bench(Path(folder), python, given.seconds, report)
        async with bench.running():
            for name, phase in PHASES.items():
                if name in given.only.split(","):
                    print(f"{name} ...", file=sys.stderr, flush=True)
                    try:
                        await phase(bench)
                    except Exception:
                        print("\n".join(process.tail() for process in bench.processes), file=sys.stderr)
                        raise
            bench.check_the_books()
    return report


def main() -> int:
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
    given = parsed()
    report = asyncio.run(measure(given, peer_python(given)))
    report.show()
    return 0 if report.all_ok else 1


if __name__ == "__main__":
    sys.exit(main())
