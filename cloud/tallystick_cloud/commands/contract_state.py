"""`tallystick contract list | switch`: where contracts stand, and the way from shadow to live, paused, ended.

It never switches by itself: it proposes a version as one party, and the change rule decides.
"""

import argparse
import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.money.contract import Contract, ContractState
from tallystick_protocol.money.contract_toml import Draft
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.commands.common import Commands, Options, add_community, ask, command, community_of, opened
from tallystick_cloud.commands.signing import party_of, signer_of
from tallystick_cloud.contracts import look, service
from tallystick_cloud.contracts.look import ChainView, VersionView
from tallystick_cloud.contracts.switch import follow, last_agreed
from tallystick_cloud.errors import BadInput
from tallystick_cloud.parties.store import ids_by_name, names_by_id

STATES = ("live", "shadow", "paused", "ended")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SHORT = 12  # hex digits that people compare


def add(words: Commands) -> None:
    found = command(
        words,
        "list",
        show,
        "List contracts: the state that holds now, and which version waits for whose yes.",
        "  tallystick contract list --data D\n  tallystick contract list --json --data D\n",
    )
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")
    found = command(
        words,
        "switch",
        switch,
        "Propose that a contract goes on as it is in another state: live, shadow, paused or ended.",
        "  tallystick contract switch Laundry live --party 'Lindenhof eG' --data D\n"
        "  tallystick contract switch Laundry paused --from 2026-12-15 --party 'Lindenhof eG' --key my.pem --yes "
        "--data D\n",
    )
    found.add_argument("contract", metavar="CONTRACT", help="its name, or the beginning of its hash")
    found.add_argument("state", choices=STATES, help="the state it goes on in")
    found.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        help="a date or date-time in the contract's zone (default: when its next rating period begins)",
    )
    add_community(found)
    found.add_argument("--party", required=True, metavar="NAME", help="who signs the proposal")
    found.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM (default: the hosted one)")
    found.add_argument("--yes", action="store_true", help="do not ask")
    found.add_argument("--json", action="store_true", help="print JSON")


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        chains = options.database.read_now(_chains, community, options.clock.utc_ms())
        names = options.database.read_now(names_by_id, community)
    finally:
        options.database.close()
    rows = [_row(chain, names) for chain in chains]
    if parsed.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    print("\n".join(_line(row) for row in rows) or "there is none; begin with: tallystick contract template")
    return 0


def switch(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        now_ms = options.clock.utc_ms()
        chain = _chosen(options.database.read_now(_chains, community, now_ms), parsed.contract)
        draft = _draft(options, chain, parsed, now_ms)
        contract = draft.contract
        ids = options.database.read_now(ids_by_name, community)
        signer = signer_of(options, community, parsed.party, party_of(community, ids, parsed.party), parsed.key)
        since = _local(contract, contract.effective_from_ms)
        ask(parsed.yes, f"Propose that {contract.name} is {contract.state.value} for uses from {since} on?")
        envelope = cose.sign(signer, cose.ContentType.CONTRACT, contract.encode())
        context = options.aggregator.of(community)
        standing = options.database.write_now(service.propose, context, envelope, now_ms, draft.openings)
    finally:
        options.database.close()
    missing = [contract.party_name(party) for party in standing.missing]
    is_agreed = standing.state is contract.state
    if parsed.json:
        print(json.dumps({"hash": standing.h.hex(), "name": contract.name, "to": contract.state.value,
                          "from_ms": contract.effective_from_ms, "agreed": is_agreed, "missing": missing}))  # fmt: skip
        return 0
    print(f"{contract.name}, version {contract.version}: {contract.state.value} for uses from {since} on")
    if is_agreed:
        print("agreed: nobody else has to say yes")
    else:
        print(f"waits for: {', '.join(missing)} (rule: {contract.change_rule})")
        print(f"next: tallystick contract approve {standing.h.hex()} --party NAME")
    return 0


def _chains(conn: Connection, community: str, now_ms: int) -> list[ChainView]:
    return look.chains_of(conn, community, None, True, now_ms)


def _chosen(chains: list[ChainView], wanted: str) -> ChainView:
    found = [one for one in chains if one.now.contract.name == wanted]
    found = found or [one for one in chains if len(wanted) >= 6 and one.chain.hex().startswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{one.now.contract.name} ({one.chain.hex()[:_SHORT]})" for one in chains) or "none yet"
    why = "is the name of two; give the beginning of its hash" if found else "is no contract here"
    raise BadInput("CONTRACT", f"{wanted!r} {why}; there are: {known}")


def _draft(options: Options, chain: ChainView, parsed: argparse.Namespace, now_ms: int) -> Draft:
    from_ms = None
    if parsed.begin is not None:
        contract = last_agreed(chain).contract
        from_ms = _moment(contract, parsed.begin)
        if from_ms < now_ms:
            reason = f"is {_local(contract, from_ms)}, which is past; what was used till now stays as it was priced"
            raise BadInput("--from", reason)
    return follow(chain, ContractState(parsed.state), from_ms, now_ms, options.entropy.bytes)


def _moment(contract: Contract, text: str) -> int:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput("--from", f"is {text!r}; write 2026-12-01 or 2026-12-01T06:00") from None
    if value.tzinfo is not None:
        return (value - _EPOCH) // _MS
    return offsets_of(contract.zone).first_at((value.replace(tzinfo=UTC) - _EPOCH) // _MS)


def _local(contract: Contract, t_ms: int) -> str:
    local = _EPOCH + offsets_of(contract.zone).local(t_ms) * _MS
    is_midnight = local.time() == time()
    return local.strftime("%Y-%m-%d" if is_midnight else "%Y-%m-%d %H:%M")


def _row(chain: ChainView, names: dict[bytes, str]) -> dict[str, Any]:
    """`next` and `then`: states that are agreed and begin later; `proposed`, `also_proposed`: what waits for a yes."""
    now = chain.now
    coming = [_next(one) for one in chain.coming]
    waiting = [_waits(one, names) for one in chain.versions if one.in_force_ms is None]
    return {
        "name": now.contract.name,
        "chain": chain.chain.hex(),
        "version": now.contract.version,
        "state": now.state,
        "since": _local(now.contract, now.contract.effective_from_ms),
        "next": coming[0] if coming else None,
        "then": coming[1:],
        "proposed": waiting[0] if waiting else None,
        "also_proposed": waiting[1:],
    }


def _waits(version: VersionView, names: dict[bytes, str]) -> dict[str, Any]:
    said = {party for party, _ in (*version.yes, *version.no)}
    return {
        **_next(version),
        "hash": version.h.hex(),
        "missing": [one.name for one in version.contract.parties if one.id not in said],
        "refused": [names.get(party, party.hex()) for party, _ in version.no],
    }


def _next(version: VersionView) -> dict[str, Any]:
    contract = version.contract
    since = _local(contract, contract.effective_from_ms)
    return {"version": contract.version, "state": contract.state.value, "since": since}


def _line(row: dict[str, Any]) -> str:
    head = f"{row['chain'][:_SHORT]}  {row['state']:7}  {row['name']}, version {row['version']} since {row['since']}"
    for later in (row["next"], *row["then"]):
        head += f"; {later['state']} from {later['since']} on" if later else ""
    for waits in (row["proposed"], *row["also_proposed"]):
        if waits is None:
            continue
        head += f"\n{'':14}proposed: version {waits['version']}, {waits['state']} from {waits['since']} on"
        head += f", {waits['hash'][:_SHORT]}"
        head += f"; waits for {', '.join(waits['missing'])}" if waits["missing"] else ""
        head += f"; refused by {', '.join(waits['refused'])}" if waits["refused"] else ""
    return head
