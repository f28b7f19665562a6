"""The command line of the simulator: `tallystick-sim laundry`, `demo`, `cheat` and `meter`.
It reads arguments and starts one thing; it decides nothing itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tallystick_sim.appliance import REST_MIN_MS
from tallystick_sim.clock import ClockSettingError, clock_of_environment
from tallystick_sim.curve import MINUTE_MS
from tallystick_sim.meter_process import add_meter_command

UNIX_PATH_BYTES_MAX = 90  # Linux allows 107 for a socket's path; the names below it need some
SECONDS_MIN, SECONDS_MAX = 10, 3_600  # below ten seconds there is no time for four troubles
HEADLESS_SECONDS = 45.0
SHORT_SECONDS = 20.0
REST_MAX_MINUTES = 600
MS_DIGITS_MAX = 14  # the year 5138


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 all is well, 1 something is amiss, 2 wrong arguments."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except ClockSettingError as error:
        print(f"tallystick-sim: {error}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick-sim", description="Meters, sensors and towns that do not exist.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    laundry = commands.add_parser("laundry", help="a laundry's meters on real ports, with a control line")
    laundry.add_argument("--folder", type=_short_folder, required=True, help="where sockets and serial lines appear")
    laundry.add_argument("--seed", default="first light", help="the same seed gives the same washes")
    laundry.add_argument("--rest", type=_rest, default=REST_MIN_MS, help="least minutes between washes (default 8)")
    laundry.add_argument(
        "--slots-from", type=_ms, metavar="MS", help="one wash per machine and slot; slot 0 begins then (ms UTC)"
    )
    laundry.set_defaults(run=_laundry)
    demo = commands.add_parser("demo", help="a small town: aggregator, two gateways, a laundry, and four troubles")
    demo.add_argument("--headless", action="store_true", help="plain lines, no browser; ends by itself")
    demo.add_argument("--seconds", type=_seconds, help="how long the laundry is open (default: until Ctrl-C)")
    demo.add_argument("--data", type=Path, help="an empty or new folder for everything (default: a temporary one)")
    demo.add_argument("--report", type=Path, help="write what was compared to this file, as JSON")
    demo.add_argument("--port", type=_port, default=8080, help="the page's port; in use means the next free one")
    demo.add_argument("--seed", default="first light", help="the same seed gives the same washes")
    demo.set_defaults(run=_demo)
    cheat = commands.add_parser(
        "cheat", help="try to cheat as the host of a finished demo, and see what the verifier says"
    )
    cheat.add_argument("--headless", action="store_true", help="all cheats one after the other, nothing is asked")
    cheat.add_argument("--data", type=Path, help="the folder of a finished demo (default: a short one is made)")
    cheat.add_argument("--report", type=Path, help="write what was tried to this file, as JSON")
    cheat.set_defaults(run=_cheat)
    add_meter_command(commands)
    return parser


def _rest(text: str) -> int:
    least = REST_MIN_MS // MINUTE_MS
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= REST_MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {REST_MAX_MINUTES}")
    return int(text) * MINUTE_MS


def _ms(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MS_DIGITS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in milliseconds since 1970")
    return int(text)


def _seconds(text: str) -> float:
    if not text.isascii() or not text.isdigit() or not SECONDS_MIN <= int(text) <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {SECONDS_MIN} to {SECONDS_MAX}")
    return float(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _demo(given: argparse.Namespace) -> int:
    from tallystick_sim.demo import Options, run_demo

    seconds = HEADLESS_SECONDS if given.headless and given.seconds is None else given.seconds
    with tempfile.TemporaryDirectory(prefix="tallystick-demo-") as temporary:
        data = Path(temporary) if given.data is None else given.data.absolute()
        if data.exists() and (not data.is_dir() or any(data.iterdir())):
            print(f"tallystick-sim: --data {data}: not an empty folder; name a new one or delete it", file=sys.stderr)
            return 2
        data.mkdir(parents=True, exist_ok=True)
        return asyncio.run(run_demo(Options(data, given.headless, seconds, given.report, given.seed, given.port)))


def _cheat(given: argparse.Namespace) -> int:
    from tallystick_sim.cheat_table import play_all, play_chosen
    from tallystick_sim.programs import ProgramError

    with tempfile.TemporaryDirectory(prefix="tallystick-cheat-") as temporary:
        data = Path(temporary) if given.data is None else given.data.absolute()
        if given.data is None and (code := asyncio.run(_short_demo(data))):
            return code
        try:
            asked = not given.headless and sys.stdin.isatty()
            return asyncio.run(play_chosen(data, given.report) if asked else play_all(data, given.report))
        except ProgramError as error:
            print(f"tallystick-sim: {error}", file=sys.stderr)
            return 1


async def _short_demo(data: Path) -> int:
    """A demo to cheat in, without cheats of its own."""
    from tallystick_sim.demo import Options, run_demo

    print("no --data: a short demo is made first", flush=True)
    return await run_demo(Options(data, True, SHORT_SECONDS, None, "first light", 8080, cheats=False))


def _short_folder(text: str) -> Path:
    path = Path(text)
    if len(str(path).encode()) > UNIX_PATH_BYTES_MAX:
        raise argparse.ArgumentTypeError(f"longer than {UNIX_PATH_BYTES_MAX} bytes, too long for a unix socket")
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no folder {text}")
    return path


def _laundry(given: argparse.Namespace) -> int:
    from tallystick_sim.laundry_process import LaundryProcess
    from tallystick_sim.slots import Slots

    slots = None if given.slots_from is None else Slots(given.slots_from)
    process = LaundryProcess(clock_of_environment(), given.seed, given.rest, given.folder, slots)
    asyncio.run(process.run(given.folder / "control"))
    return 0
