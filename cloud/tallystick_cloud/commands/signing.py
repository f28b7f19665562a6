"""Finds the key with which a command signs for a party.

It never signs for somebody whose key is neither hosted here nor named by the caller.
"""

from collections.abc import Mapping
from pathlib import Path

from tallystick_protocol.keys import Signer, load_signer

from tallystick_cloud.approvals import signed_answer
from tallystick_cloud.commands.common import Options
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import read_private

NONCE_BYTES = 16


def party_of(community: str, ids: Mapping[str, bytes], name: str, field: str = "--party") -> bytes:
    """The party's id; raises BadInput listing the names."""
    if name not in ids:
        raise BadInput(field, f"{name!r} is not in {community}; names are: {', '.join(sorted(ids))}")
    return ids[name]


def signer_of(options: Options, community: str, name: str, party: bytes, key: Path | None) -> Signer:
    """The key in the file, or the one that this server keeps for the party; raises BadInput."""
    if key is not None:
        return load_signer(read_private(key))
    hosted = options.home.party_key(community, party)
    if hosted is None:
        raise BadInput("--key", f"this server holds no key of {name}; give the file of theirs")
    return hosted


def signed_yes(options: Options, community: str, name: str, party: bytes, key: Path | None, run: bytes) -> bytes:
    """The envelope of a party's yes to what has that id; raises BadInput without a key."""
    signer = signer_of(options, community, name, party, key)
    return signed_answer(signer, options.entropy, run, party)
