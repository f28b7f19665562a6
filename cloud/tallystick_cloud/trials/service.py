"""Begins and ends test runs, and takes back what was billed in one.

It never prices: a use that began in a run is reversed, which is the ledger's, so that a test moves no counter and every
party can check that nobody paid and nobody earned.
"""

from collections.abc import Collection

from sqlalchemy import Connection
from tallystick_protocol.money.tariff import Form

from tallystick_cloud.assets.store import asset_ids
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import BadInput, Conflict, NotFound
from tallystick_cloud.ledger.model import DAY_MS
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.ledger.store import lock_chains
from tallystick_cloud.schema import trial

from . import store
from .model import MINUTE_MS, MINUTES_MAX, MINUTES_MIN, WHY_CHARS_MAX, Trial

RUNS_A_DAY_MAX = 3
"""Of one asset: whoever needs more has no machine to test, but one to repair, and takes it out of use."""
LATE_MS = 400 * DAY_MS
"""How long after a run its uses are looked for: longer than a contract lets a use come late and still be billed."""
SAID = "test run"


def start(conn: Connection, community: str, asset: str, minutes: int, why: str, by: bytes, now_ms: int) -> Trial:
    """From now on nobody pays for a use of the asset that begins before the run ends.

    Raises BadInput, NotFound (no such asset) or Conflict (one is on, there were many, or nothing is billed anyway)."""
    if not MINUTES_MIN <= minutes <= MINUTES_MAX:
        raise BadInput("minutes", f"must be from {MINUTES_MIN} to {MINUTES_MAX}; one run after the other is possible")
    if not why.strip() or len(why) > WHY_CHARS_MAX:
        raise BadInput("why", f"must have 1 to {WHY_CHARS_MAX} characters; whoever gets a share reads it")
    if asset not in asset_ids(conn, community):
        raise NotFound("asset", f"{asset!r} is none of {community}; see `tallystick asset list`")
    _check_billed(conn, community, asset, now_ms)
    running = store.on(conn, community, asset, now_ms)
    if running is not None:
        raise Conflict("asset", "is in a test run already; end that one first, or use the machine now")
    recent = store.listed(conn, community, trial.c.asset == asset, trial.c.from_ms > now_ms - DAY_MS)
    if len(recent) >= RUNS_A_DAY_MAX:
        raise Conflict("asset", f"had {len(recent)} test runs within a day, which is the most; try again later")
    row = {"community": community, "asset": asset, "by": by, "why": why.strip()}
    number = store.insert_trial(conn, {**row, "from_ms": now_ms, "to_ms": now_ms + minutes * MINUTE_MS})
    return _found(conn, community, number)


def end(conn: Connection, community: str, number: int, now_ms: int) -> Trial:
    """No use that begins from now on is a test. Raises NotFound, or Conflict when it is over."""
    if not _found(conn, community, number).is_on(now_ms):
        raise Conflict("run", "is over already")
    store.end(conn, number, now_ms)
    return _found(conn, community, number)


def take_back(
    conn: Connection, community: str, now_ms: int, since_ms: int | None = None, only: Collection[bytes] | None = None
) -> int:
    """Reverse what began in a run; how many uses. `since_ms`: only of runs that ended later; `only`: chains."""
    since_ms = now_ms - LATE_MS if since_ms is None else since_ms
    chains = {bytes(row.chain) for row in store.to_take_back(conn, community, since_ms)}
    chains = chains if only is None else chains & set(only)
    if not chains:
        return 0
    lock_chains(conn, chains)
    rows = [row for row in store.to_take_back(conn, community, since_ms) if bytes(row.chain) in chains]
    for row in rows:
        reverse(conn, community, bytes(row.use_id), f"{SAID}: {row.why}", now_ms)
    return len(rows)


def _found(conn: Connection, community: str, number: int) -> Trial:
    found = store.find(conn, community, number)
    if found is None:
        raise NotFound("run", f"{number} is none of {community}; see `tallystick trial list`")
    return found


def _check_billed(conn: Connection, community: str, asset: str, now_ms: int) -> None:
    """A run needs something to be taken back: a live contract for single uses of the asset."""
    known = book(conn, community)
    quantities = {one.quantity for version in known.versions for one in version.contract.assets if one.asset == asset}
    found = [one for quantity in quantities if (one := known.of_channel(asset, quantity).at(now_ms)) is not None]
    live = [one.version.contract for one in found if one.is_live]
    if not live:
        raise Conflict("asset", "has no live contract now: nobody pays for its uses, so just try it")
    if all(contract.tariff.form is not Form.EVENT for contract in live):
        raise Conflict("asset", "is billed by what its meter counts, not by single uses: that stays billed in a test")
