"""The `tallystick-edge` command: run, enrol, status, doctor, fsck and others; those of meters are in `device_commands`.
It parses arguments and prints; every answer is one line or JSON, and no secret is ever printed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tallystick_edge import SOFTWARE, device_commands
from tallystick_edge.config import EdgeConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import EdgeError, UplinkError
from tallystick_edge.logs import LogForm, log_lines
from tallystick_edge.plan import make_plan

EXAMPLES = {
    "run": "tallystick-edge run --config /etc/tallystick/edge.toml",
    "enrol": "tallystick-edge enrol --config edge.toml",
    "status": "tallystick-edge status --config edge.toml --json",
    "check-config": "tallystick-edge check-config --config edge.toml",
    "fsck": "tallystick-edge fsck --config edge.toml --repair",
    "doctor": "tallystick-edge doctor --config /etc/tallystick/edge.toml",
    "service-file": "tallystick-edge service-file --config /etc/tallystick/edge.toml",
}
HELP = {
    "run": "read meters, keep, seal and hand over until stopped (SIGTERM ends cleanly)",
    "enrol": "use the site's claim now and exit; harmless when enrolled already",
    "status": "where the journal and the chain stand",
    "check-config": "read the configuration and the profiles it names, open nothing",
    "fsck": "look for damage in the journal; without --repair it changes nothing, also beside a running agent",
    "doctor": "look for what is wrong here and say what to do; changes nothing, also beside a running agent",
    "service-file": "print a systemd unit for this installation and this configuration",
}
REPAIR = (
    "make a new journal out of what can be proved of a damaged one, while the agent is stopped; it asks first, keeps "
    "the damaged one beside, and says what is lost"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 = done, 1 = refused with a reason, 2 = wrong arguments."""
    options = _parser().parse_args(arguments)
    log_lines(getattr(options, "log", None), verbose=options.verbose)
    try:
        if options.command in device_commands.HELP:
            return device_commands.run_command(options)
        if options.command == "doctor":
            return _doctor(options)  # it says itself what is wrong with a configuration
        config = load_config(options.config)
        return _command(options, config)
    except EdgeError as error:
        print(f"tallystick-edge: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:  # the data folder is closed to others
        step = "run it as root (sudo) or as the agent's user"
        print(f"tallystick-edge: {error.filename}: {error.strerror}. Next: {step}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _command(options: argparse.Namespace, config: EdgeConfig) -> int:
    match options.command:
        case "run":
            from tallystick_edge.service import run  # with cryptography and the journal, which `read` does not need

            run(config)
        case "enrol":
            asyncio.run(_enrol(config, options.json))
        case "status":
            from tallystick_edge.status import status

            _print(status(config), options.json)
        case "fsck":
            if options.yes and not options.repair:
                raise EdgeError("--yes agrees to a repair. Next: add --repair, or leave it away to look only")
            return _repair(config, options) if options.repair else _fsck(config, options.json)
        case "service-file":
            from tallystick_edge.service_file import service_file

            print(service_file(config, options.config), end="")
        case _:
            from tallystick_edge.described import channels_of

            plans = make_plan(config)
            channels = sum(len(list(channels_of(each))) for each in plans.values())
            _print({"meters": len(plans), "channels": channels, "uses": len(config.uses), "ok": True}, options.json)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    """0 = nothing failed, 1 = something did."""
    from tallystick_edge.doctor.run import examine
    from tallystick_edge.doctor.verdict import as_json, as_text, is_well

    verdicts = examine(options.config)
    print(json.dumps(as_json(verdicts), ensure_ascii=False) if options.json else as_text(verdicts))
    return 0 if is_well(verdicts) else 1


def _fsck(config: EdgeConfig, as_json: bool) -> int:
    """0 = sound, 1 = something was found."""
    from tallystick_edge.fsck import fsck_of

    report = fsck_of(config)
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        print(report.text())
    return 0 if report.is_sound else 1


def _repair(config: EdgeConfig, options: argparse.Namespace) -> int:
    """0 = sound now, 1 = nothing was done."""
    from tallystick_edge.app import DataLock
    from tallystick_edge.clock import SystemEntropy, system_clock
    from tallystick_edge.repair import Journal, Outcome, repair

    def agree(outcome: Outcome) -> bool:
        if options.yes:
            return True
        if options.json:
            return False
        print(f"{outcome.before.text()}\nthe new journal would hold:\n{outcome.text()}")
        if not sys.stdin.isatty():
            return False
        return input("Put it in the place of the damaged one, which is kept beside it? [y/N] ").lower() in ("y", "yes")

    def tell(done: int, of: int) -> None:
        if sys.stderr.isatty() and (done % 100 == 0 or done == of):
            print(f"\r{done} of {of} batches", end="\n" if done == of else "", file=sys.stderr, flush=True)

    with DataLock(config.data):
        outcome = repair(Journal.of(config), system_clock(), SystemEntropy(), agree, tell)
    if options.json:
        print(json.dumps(outcome.as_json(), ensure_ascii=False))
    elif not outcome.is_needed:
        print(f"{outcome.before.text()}: nothing to repair")
    elif outcome.kept is not None:
        print(f"repaired: {outcome.text()}\nthe damaged journal is {outcome.kept}. Next: start the agent")
    else:
        print("nothing was changed. Next: the same with --yes")
    return 0 if outcome.kept is not None or not outcome.is_needed else 1


async def _enrol(config: EdgeConfig, as_json: bool) -> None:
    from tallystick_edge.app import obtain_enrolment
    from tallystick_edge.clock import SystemEntropy
    from tallystick_edge.identity import load_identity

    identity = load_identity(config.data)
    try:
        enrolment = await obtain_enrolment(config, identity, SystemEntropy())
    except UplinkError as error:
        step = "" if "Next: " in str(error) else ". Next: check network and server, then the same again; it is harmless"
        raise EdgeError(f"{error}{step}") from error
    from tallystick_protocol.claim import fingerprint8

    fingerprint = fingerprint8(identity.signer.spki)
    _print({"gateway": identity.gid.hex(), "server": enrolment.info.server, "fingerprint": fingerprint}, as_json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick-edge", description="Tallystick's gateway agent.")
    parser.add_argument("--version", action="version", version=SOFTWARE)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in HELP.items():
        command = commands.add_parser(name, help=text, description=text, epilog=f"example: {EXAMPLES[name]}")
        command.add_argument("--config", type=Path, default=Path("edge.toml"), help="configuration file (edge.toml)")
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "fsck":
            command.add_argument("--repair", action="store_true", help=REPAIR)
            command.add_argument("--yes", action="store_true", help="with --repair: do not ask")
        command.add_argument("--verbose", action="store_true", help="also log what goes well in detail")
        command.add_argument(
            "--log",
            type=LogForm,
            choices=list(LogForm),
            help="form of the log on stderr: text, json (an object per line) or journal (text with priorities); "
            "under systemd journal, else text",
        )
    device_commands.add_commands(commands)
    return parser


def _print(values: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    for key, value in values.items():
        if isinstance(value, list):
            for each in value:
                print(" ".join(f"{name}={text}" for name, text in each.items()) if isinstance(each, dict) else each)
        else:
            print(f"{key}: {value}")
