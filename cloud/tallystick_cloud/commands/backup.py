"""`tallystick backup FILE`, `tallystick backup check FILE` and `tallystick restore FILE`.

It never takes a passphrase from the command line's words, and never writes over a file.
"""

import argparse
import dataclasses
import getpass
import json
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from tallystick_cloud.backup import sealed_keys, service
from tallystick_cloud.backup.manifest import Manifest, Measured
from tallystick_cloud.clock import SystemEntropy, clock_of, real_utc
from tallystick_cloud.commands.common import Commands, ask, command, home_of
from tallystick_cloud.commands.witness import begun
from tallystick_cloud.context import Context
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.errors import BadInput
from tallystick_cloud.home import Home
from tallystick_cloud.log import epochs
from tallystick_cloud.log import store as log_store

CHECK = "check"
PASSPHRASE_BYTES_MAX = 1024
SAY_EVERY_S, LOG_EVERY_S = 1.0, 10.0  # on a terminal, and in a log that somebody reads later

BACKUP_EXAMPLES = """\
  tallystick backup /backups/monday.tally --data /var/lib/tallystick
  tallystick backup /backups/monday.tally --passphrase-file /root/passphrase --data /var/lib/tallystick
  tallystick backup /backups/monday.tally --without-keys --data D --db postgresql://tally@localhost/tally
  tallystick backup check /backups/monday.tally

The server may go on running. The file holds names and bank accounts: keep it as you keep the server. Keys are in it
only when you give a passphrase; with --without-keys, copy DIR/keys to a place of its own, or no gateway and no
member can ever check a signature of this community's next log.
"""
RESTORE_EXAMPLES = """\
  tallystick restore /backups/monday.tally --data /var/lib/tallystick
  tallystick restore /backups/monday.tally --data D --db postgresql://tally@localhost/tally
  tallystick restore /backups/monday.tally --replace --data D

Stop the server first. A backup of SQLite restores into PostgreSQL, and the other way round.
"""


def add(commands: Commands) -> None:
    found = command(
        commands,
        "backup",
        backup,
        "Write everything into one file while the server runs, or check such a file.",
        BACKUP_EXAMPLES,
        needs_data=False,
    )
    found.add_argument("words", nargs="+", metavar="[check] FILE", help="the file to write, or to check")
    keys = found.add_mutually_exclusive_group()
    _passphrase(keys)
    keys.add_argument("--without-keys", action="store_true", help="leave the signing keys out")
    found.add_argument("--json", action="store_true", help="print JSON")
    found = command(
        commands,
        "restore",
        restore,
        "Bring a backup back into an empty database, and prove that log and balances are the same.",
        RESTORE_EXAMPLES,
    )
    found.add_argument("file", type=Path, metavar="FILE", help="what `tallystick backup` wrote")
    _passphrase(found)
    found.add_argument("--replace", action="store_true", help="remove what the database holds; asks first")
    found.add_argument("--yes", action="store_true", help="do not ask")
    found.add_argument("--json", action="store_true", help="print JSON")


def _passphrase(found: argparse._ActionsContainer) -> None:
    help_text = "read the passphrase from its first line"
    found.add_argument("--passphrase-file", type=Path, metavar="FILE", help=help_text)


# ---------------------------------------------------------------- backup


def backup(parsed: argparse.Namespace) -> int:
    match parsed.words:
        case [word, file] if word == CHECK:
            return _check(Path(file), parsed.json)
        case [file]:
            return _write(Path(file), parsed)
        case _:
            raise BadInput("FILE", "give one file to write, or `check` and one file")


def _check(file: Path, as_json: bool) -> int:
    checked = _checked(file)
    _tell(checked.manifest, {"file": str(file), "whole": True, **checked.manifest.as_json()}, as_json)
    if not as_json:
        print(f"{file} is whole")
    return 0


def _checked(file: Path) -> service.Checked:
    progress = _Progress()
    try:
        return service.check(file, progress)
    finally:
        progress.end()


def _write(file: Path, parsed: argparse.Namespace) -> int:
    if parsed.data is None:
        raise BadInput("--data", "is missing; name the aggregator's folder")
    if file.exists():
        raise BadInput(str(file), "is there already; name a new file")
    home = home_of(parsed)
    database = home.database()
    part = file.with_name(f"{file.name}.part")
    try:
        passphrase = None if parsed.without_keys else _ask_new(parsed.passphrase_file)
        with _created(part) as out:
            made = database.read_now(_saved, out, home, passphrase)
        part.replace(file)
    except BaseException:  # also Ctrl-C: half a backup must not lie about
        part.unlink(missing_ok=True)
        raise
    finally:
        database.close()
    _tell(made, {"file": str(file), "bytes": file.stat().st_size, **made.as_json()}, parsed.json)
    if not parsed.json:
        print(f"{file}: {file.stat().st_size} bytes, keys {made.keys}; next: tallystick backup check {file}")
        if passphrase is None:
            print(f"the signing keys are NOT in it: keep a copy of {home.keys} in another safe place")
    return 0


def _saved(conn: Connection, out: BinaryIO, home: Home, passphrase: str | None) -> Manifest:
    def keys() -> bytes | None:
        return None if passphrase is None else sealed_keys.seal(sealed_keys.read_keys(home.keys), passphrase)

    progress = _Progress()
    try:
        return service.write(conn, out, keys, real_utc(), progress)
    finally:
        progress.end()


def _created(part: Path) -> BinaryIO:
    """A new 0600 file; one that a broken backup left behind is begun again."""
    part.unlink(missing_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


# ---------------------------------------------------------------- restore


def restore(parsed: argparse.Namespace) -> int:
    home = home_of(parsed)
    checked = _checked(parsed.file)
    keys = {} if checked.keys is None else sealed_keys.unseal(checked.keys, _ask_old(parsed.passphrase_file))
    sealed_keys.check_same(keys, home.keys)
    _check_keys(checked.manifest, keys, home)
    home.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(home.url or sqlite_url(home.data))
    try:
        database.read_now(service.check_target, parsed.replace)
        if names := database.read_now(service.held):
            ask(parsed.yes, f"Remove {', '.join(names)} from this database and put {parsed.file} in its place?")
        done = database.write_now(_restored, checked, keys, home, parsed.replace)
    finally:
        database.close()
    _say_restored(parsed, done)
    return 0


def _restored(
    conn: Connection, checked: service.Checked, keys: sealed_keys.KeyFiles, home: Home, replace: bool
) -> service.Restored:
    """Keys are on disk before anything is committed that only they can sign; else they are taken away again."""
    progress = _Progress()
    try:
        done = service.restore(conn, checked, replace, progress)
    finally:
        progress.end()
    made = sealed_keys.store(keys, home.keys)
    try:
        home.authority()
        return dataclasses.replace(
            done, origins=tuple(_goes_on(conn, one, done.manifest) for one in home.contexts(conn).values())
        )
    except BaseException:  # also Ctrl-C: keys without their books must not lie about
        for path in made:
            path.unlink()
        raise


def _goes_on(conn: Connection, context: Context, found: Manifest) -> str:
    """The name of a restored log. It stays only where all that its key ever signed is known to be in it."""
    if epochs.continues(conn, context):
        head = log_store.read_head(conn, context.community)
        return context.log_origin if head is None else epochs.origin(context, head)
    return begun(conn, context, SystemEntropy(), clock_of(os.environ).utc_ms(), f"restored, backup of {found.made}")


def _check_keys(found: Manifest, keys: sealed_keys.KeyFiles, home: Home) -> None:
    """Without a community's keys nothing could be signed for it."""
    for one in found.communities:
        if f"{one.community}/log.pem" not in keys and not (home.keys / one.community / "log.pem").exists():
            why = f"has no keys of {one.community}, and the backup left them out; copy your saved keys folder to it"
            raise BadInput(str(home.keys), f"{why} first")


def _say_restored(parsed: argparse.Namespace, done: service.Restored) -> None:
    if parsed.json:
        facts = [{"backup": _facts(a), "restored": _facts(b)} for a, b in _pairs(done)]
        print(
            json.dumps(
                {"file": str(parsed.file), "made": done.manifest.made, "communities": facts, "origins": done.origins},
                indent=1,
            )
        )
        return
    for before, after in _pairs(done):
        print(f"{after.community}")
        print(f"  log       backup   {before.size} entries, root {before.root}")
        print(f"            restored {after.size} entries, root {after.root}")
        print(f"  balances  backup   {before.accounts} accounts, {before.balances}")
        print(f"            restored {after.accounts} accounts, {after.balances}")
        print("  equal")
    for origin in done.origins:
        print(f"the log goes on as {origin}")
    print(f"restored as of {done.manifest.made}; next: tallystick serve --data {parsed.data}")


def _pairs(done: service.Restored) -> list[tuple[Measured, Measured]]:
    return list(zip(done.manifest.communities, done.communities, strict=True))


def _facts(one: Measured) -> dict[str, object]:
    return {
        "community": one.community,
        "origin": one.origin,
        "size": one.size,
        "root": one.root,
        "balances": one.balances,
        "accounts": one.accounts,
    }


def _tell(found: Manifest, facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, indent=1, sort_keys=True))
        return
    print(f"backup of {found.made}, schema {found.schema}, {found.rows} rows, keys {found.keys}")
    for one in found.communities:
        print(f"  {one.community}: log {one.origin} of {one.size} entries, root {one.root}")
        print(f"  {' ' * len(one.community)}  {one.accounts} accounts, balance sheet {one.balances}")


# ---------------------------------------------------------------- passphrase and progress


def _ask_new(file: Path | None) -> str:
    if file is not None:
        return sealed_keys.check_passphrase(_first_line(file))
    if not sys.stdin.isatty():
        raise BadInput("--passphrase-file", "is missing; name one to seal the keys with, or say --without-keys")
    text = sealed_keys.check_passphrase(getpass.getpass("Passphrase for the keys in this backup: "))
    if getpass.getpass("Once more: ") != text:
        raise BadInput("passphrase", "was typed in two ways; begin again")
    return text


def _ask_old(file: Path | None) -> str:
    if file is not None:
        return _first_line(file)
    if not sys.stdin.isatty():
        raise BadInput("--passphrase-file", "is missing; the keys in this backup are sealed")
    return getpass.getpass("Passphrase of this backup: ")


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(PASSPHRASE_BYTES_MAX).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise BadInput(str(file), "is not text; write the passphrase into its first line") from None


class _Progress:
    """A line on the terminal that is written over, and only for work of more than a second."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._is_shown = sys.stderr.isatty()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < (SAY_EVERY_S if self._is_shown else LOG_EVERY_S):
            return
        self._last = now
        share = f"{100 * done // total} %" if total else ""
        text = f"{what}: {done} rows {share}"
        print(f"\r{text:<70}" if self._is_shown else text, end="" if self._is_shown else "\n", file=sys.stderr)

    def end(self) -> None:
        """Takes the line away again."""
        if self._is_shown:
            print(f"\r{'':<70}\r", end="", file=sys.stderr)
