"""What a use case needs to know of the community it serves: its name, its keys, its log's name.

It never changes while the program runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from .ca import Authority
from .errors import NotFound
from .keys import CommunityKeys
from .ports import Entropy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """What may be known of a community without its keys."""

    community: str
    log_origin: str  # of the log's first epoch
    log_id: bytes  # 4 bytes: the id of the log's key, and of its first epoch


@dataclass(frozen=True, slots=True)
class Context(Identity):
    keys: CommunityKeys
    signed: Path | None = None  # the folder with the record of what the log's key signed; None: nobody keeps one


class Directory(Protocol):
    """Communities of this server by name."""

    def of(self, community: str) -> Identity: ...


@dataclass(frozen=True, slots=True)
class Keyless:
    """A directory for processes that write and never sign."""

    identities: Mapping[str, Identity]

    def of(self, community: str) -> Identity:
        return _found(self.identities, community)


@dataclass(frozen=True, slots=True)
class Aggregator:
    """All communities of this server, its certificate authority and its randomness."""

    contexts: Mapping[str, Context]
    authority: Authority
    entropy: Entropy

    def of(self, community: str) -> Context:
        return _found(self.contexts, community)

    def keyless(self) -> Keyless:
        names = self.contexts.values()
        return Keyless({one.community: Identity(one.community, one.log_origin, one.log_id) for one in names})


def _found(among: Mapping[str, T], community: str) -> T:
    found = among.get(community)
    if found is None:
        raise NotFound("community", f"{community!r} has no keys on this server; restart it after an import")
    return found
