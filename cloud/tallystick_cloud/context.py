"""What a use case needs to know of the community it serves: its name, its keys, its log's name.

It never changes while the program runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .ca import Authority
from .errors import NotFound
from .keys import CommunityKeys
from .ports import Entropy


@dataclass(frozen=True, slots=True)
class Context:
    community: str
    log_origin: str  # of the log's first epoch
    log_id: bytes  # 4 bytes: the id of the log's key, and of its first epoch
    keys: CommunityKeys
    signed: Path | None = None  # the folder with the record of what the log's key signed; None: nobody keeps one


@dataclass(frozen=True, slots=True)
class Aggregator:
    """All communities of this server, its certificate authority and its randomness."""

    contexts: Mapping[str, Context]
    authority: Authority
    entropy: Entropy

    def of(self, community: str) -> Context:
        found = self.contexts.get(community)
        if found is None:
            raise NotFound("community", f"{community!r} has no keys on this server; restart it after an import")
        return found
