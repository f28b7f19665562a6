"""`tallystick contract check | template | simulate | diff | list | propose | switch | approve | accept`.

It never signs with a key that the caller did not name.
"""

import argparse
from pathlib import Path

from tallystick_protocol import cose
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, PARTY_BYTES, PartyId, sha256
from tallystick_protocol.keys import Signer
from tallystick_protocol.money.contract_toml import Draft, draft_contract, load_contract
from tallystick_protocol.money.errors import ContractError

from tallystick_cloud.approvals import signed_answer
from tallystick_cloud.commands import contract_state, contract_try
from tallystick_cloud.commands.common import Commands, Options, add_community, command, community_of, group, opened
from tallystick_cloud.commands.signing import party_of, signer_of
from tallystick_cloud.contracts import service
from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.contracts.file import contract_text, in_file
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.parties.store import ids_by_name

NONCE_BYTES = 16
HASH_BYTES = 32
HASH_DIGITS_MIN = 6


def add(commands: Commands) -> None:
    words = group(
        commands, "contract", "Contracts: begin with a template, check and try a file, propose it, approve a proposal."
    )
    check_words = words.add_parser(
        "check",
        help="Check a contract file; errors name line, field and reason.",
        epilog="examples:\n  tallystick contract check washes.toml\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check_words.add_argument("file", type=Path, metavar="FILE", help="the contract in TOML")
    check_words.set_defaults(run=check)
    proposed = command(
        words,
        "propose",
        propose,
        "Sign a contract file as one of its parties and propose it.",
        "  tallystick contract propose washes.toml --party 'Lindenhof eG' --data D\n"
        "  tallystick contract propose washes-2.toml --party 'Lindenhof eG' --after 3fe1... --key my.pem --data D\n",
    )
    proposed.add_argument("file", type=Path, metavar="FILE", help="the contract in TOML")
    proposed.add_argument("--after", metavar="HASH", help="the version before, or how its hash begins")
    _signing(proposed)
    contract_try.add(words)
    contract_state.add(words)
    approved = command(
        words,
        "approve",
        approve,
        "Say yes (or --no) to a proposed version as one of its parties.",
        "  tallystick contract approve 3fe1... --party 'Anna Rossi' --key my.pem --data D\n",
    )
    approved.add_argument("hash", metavar="HASH", help="of the proposal, or how it begins in `list`")
    approved.add_argument("--no", action="store_true", help="say no instead")
    _signing(approved)
    accepted = command(
        words,
        "accept",
        accept,
        "Write down that a user whom the contract does not name accepted its terms; it stays private.",
        "  tallystick contract accept 3fe1... --user 'Marta Pichler' --data D\n",
    )
    accepted.add_argument("hash", metavar="HASH", help="of the version, or how it begins")
    add_community(accepted)
    accepted.add_argument("--user", required=True, metavar="NAME", help="who accepted")


def _signing(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--party", required=True, metavar="NAME", help="who signs")
    found.add_argument("--key", type=Path, metavar="FILE", help="private key in PEM (default: the hosted one)")


def check(parsed: argparse.Namespace) -> int:
    """Parties are taken as written: whether they exist shows when it is proposed."""
    try:
        contract = load_contract(contract_text(parsed.file), _AnyParty())
    except (ContractError, ProtocolError) as error:
        raise BadInput(str(parsed.file), str(error)) from error
    counts = f"{many(len(contract.parties), 'party', 'parties')}, {many(len(contract.assets), 'asset')}"
    unnamed = sum(asset.is_committed for asset in contract.assets)
    users = f", {unnamed} of them with a user whom the contract does not name" if unnamed else ""
    print(f"{parsed.file}: {contract.name}, {counts}{users}: fits together")
    return 0


def propose(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = {key: PartyId(value) for key, value in options.database.read_now(ids_by_name, name).items()}
        draft = _draft(options, name, parsed, ids)
        signed = cose.sign(_signer(options, name, parsed, ids), cose.ContentType.CONTRACT, draft.contract.encode())
        context, now_ms = options.aggregator.of(name), _now(options)
        return _print(options.database.write_now(service.propose, context, signed, now_ms, draft.openings), ids)
    except ContractRefused as error:
        raise in_file(parsed.file, contract_text(parsed.file), error) from error
    finally:
        options.database.close()


def approve(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = {key: PartyId(value) for key, value in options.database.read_now(ids_by_name, name).items()}
        signer = _signer(options, name, parsed, ids)
        h = _version(options, name, "hash", parsed.hash)
        signed = signed_answer(signer, options.entropy, h, ids[parsed.party], not parsed.no)
        standing = options.database.write_now(service.approve, options.aggregator.of(name), signed, _now(options))
        return _print(standing, ids)
    finally:
        options.database.close()


def accept(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = {key: PartyId(value) for key, value in options.database.read_now(ids_by_name, name).items()}
        user, h = PartyId(party_of(name, ids, parsed.user)), _version(options, name, "hash", parsed.hash)
        args = (options.aggregator.of(name), h, user, _now(options))
        print(f"{parsed.user} accepts: {options.database.write_now(service.accept, *args)}")
        return 0
    finally:
        options.database.close()


def _draft(options: Options, name: str, parsed: argparse.Namespace, ids: dict[str, PartyId]) -> Draft:
    prev, version = None, 1
    if parsed.after is not None:
        h = _version(options, name, "--after", parsed.after)
        before = options.database.read_now(contracts.find, name, h)
        if before is None:
            raise BadInput("--after", f"{parsed.after} is not a version here")
        prev, version = H32(before.h), before.version + 1
    try:
        return draft_contract(contract_text(parsed.file), ids, options.entropy.bytes, prev=prev, version=version)
    except ContractError as error:
        raise BadInput(str(parsed.file), str(error)) from error


def _signer(options: Options, name: str, parsed: argparse.Namespace, ids: dict[str, PartyId]) -> Signer:
    return signer_of(options, name, parsed.party, party_of(name, ids, parsed.party), parsed.key)


def _print(standing: service.Standing, ids: dict[str, PartyId]) -> int:
    names = {party: name for name, party in ids.items()}
    print(f"contract {standing.h.hex()}: {standing.state.value}")
    if standing.missing:
        print(f"not said yes: {', '.join(names.get(party, party.hex()) for party in standing.missing)}")
    return 0


def _now(options: Options) -> int:
    return options.clock.utc_ms()


def _version(options: Options, community: str, field: str, text: str) -> H32:
    """A version by its hash, or by the beginning of it as `list` prints it."""
    known = options.database.read_now(contracts.hashes, community)
    found = [h for h in known if len(text) >= HASH_DIGITS_MIN and h.hex().startswith(text.lower())]
    if len(found) == 1:
        return H32(found[0])
    try:
        whole = bytes.fromhex(text)
    except ValueError:
        whole = b""
    if len(whole) == HASH_BYTES:
        return H32(whole)  # the use case says that it is not proposed here
    why = "begins two of them; give more digits" if found else "begins no contract version here"
    raise BadInput(field, f"{text!r} {why}; `tallystick contract list` shows them")


class _AnyParty(dict[str, PartyId]):
    """Every name is a party, with an id made of its name."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> PartyId:
        return PartyId(sha256(name.encode())[:PARTY_BYTES])
