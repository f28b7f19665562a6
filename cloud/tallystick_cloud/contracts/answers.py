"""What a version asks of one reader, and the answer that a reader gives on a page: a party's yes or no, signed with the
key that this server keeps for it, or a user's acceptance of the terms.

It never answers for anybody but who is signed in, and never without a key that is that party's own.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.ids import PartyId
from tallystick_protocol.keys import Signer
from tallystick_protocol.money.contract import ContractState

from tallystick_cloud.approvals import signed_answer
from tallystick_cloud.context import Aggregator
from tallystick_cloud.errors import Forbidden, NotFound

from . import look, service, store
from .look import ChainView, VersionView
from .service import Standing


@dataclass(frozen=True, slots=True)
class Asked:
    """A version that waits for the reader, a party of it; `before`: the version that it follows, None for a first."""

    version: VersionView
    before: VersionView | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a user whom the contract does not name accepts, or has accepted."""

    version: VersionView
    accepted_ms: int | None


def asked_of(chain: ChainView, party: bytes | None) -> tuple[Asked, ...]:
    """Proposed versions that a party of them has not answered, the oldest first; not those that others replaced."""
    if party is None:
        return ()
    by_h = {one.h: one for one in chain.versions}
    newest_agreed = max((one.contract.version for one in chain.versions if one.in_force_ms is not None), default=0)
    return tuple(
        Asked(one, None if one.contract.prev is None else by_h.get(bytes(one.contract.prev)))
        for one in reversed(chain.versions)
        if one.state == ContractState.DRAFT.value
        and one.contract.version > newest_agreed
        and any(named.id == party for named in one.contract.parties)
        and party not in {who for who, _ in (*one.yes, *one.no)}
    )


def waiting_for(conn: Connection, community: str, party: bytes | None) -> list[tuple[bytes, str]]:
    """(chain, name) of contracts whose newest version is proposed and not answered by a party of it, by name."""
    if party is None:
        return []
    return [
        (one.chain, one.contract.name)
        for one in store.proposals(conn, community)
        if party not in one.answers and any(named.id == party for named in one.contract.parties)
    ]


def terms_for(conn: Connection, chain: ChainView, party: bytes | None) -> tuple[Terms, ...]:
    """The version that holds now and those agreed or proposed after it, as far as the party is a user there."""
    mine = [one for one in reversed(chain.versions) if one.contract.version >= chain.now.contract.version]
    return tuple(
        Terms(one, store.accepted_ms(conn, one.h, party)) for one in mine if party is not None and one.assets_of(party)
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """Who answers, and the key that this server keeps for it; None: it signs elsewhere."""

    party: bytes
    signer: Signer | None


def answer(
    conn: Connection, aggregator: Aggregator, chain: ChainView, h: bytes, reader: Reader, yes: bool, now_ms: int
) -> Standing:
    """A party's signed yes or no.

    Raises NotFound for a version of another contract, Forbidden without a key, ContractRefused as `service.approve`.
    """
    _version(chain, h)
    if reader.signer is None:
        raise Forbidden("party", "signs with a key of its own, which is not here; use `tallystick contract approve`")
    envelope = signed_answer(reader.signer, aggregator.entropy, h, reader.party, yes)
    return service.approve(conn, aggregator.of(chain.now.contract.community), envelope, now_ms)


def accept(conn: Connection, aggregator: Aggregator, chain: ChainView, h: bytes, party: bytes, now_ms: int) -> None:
    """Write down that a user accepted a version's terms. Raises NotFound, ContractRefused."""
    _version(chain, h)
    service.accept(conn, aggregator.of(chain.now.contract.community), h, PartyId(party), now_ms)


def _version(chain: ChainView, h: bytes) -> None:
    if all(one.h != h for one in chain.versions):
        raise NotFound("version", f"{h.hex()[:12]} is not one of this contract; load its page again")


def chain_for(conn: Connection, community: str, chain: bytes, party: bytes, now_ms: int) -> ChainView:
    """The contract, for somebody who is named in it or pays by it; raises NotFound, for offices too."""
    return look.chain_of(conn, community, chain, party, False, now_ms)
