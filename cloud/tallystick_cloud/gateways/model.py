"""Pure rules of gateways: what a key may sign, which epoch may follow, what a Hello says about the books.

It never reads a database and never signs.
"""

from dataclasses import dataclass

CLAIM_TTL_MS = 14 * 24 * 3600 * 1000  # from the office to the cellar
FORK_WINDOW_MS = 30 * 24 * 3600 * 1000  # protocol.md, Sync: twice in 30 days is no accident


@dataclass(frozen=True, slots=True)
class Key:
    kid: bytes
    spki: bytes
    valid_from: tuple[int, int]
    revoked_from: tuple[int, int] | None

    def may_sign(self, epoch: int, seq: int) -> bool:
        """A key signs the batches from its first to the one before its revocation."""
        if (epoch, seq) < self.valid_from:
            return False
        return self.revoked_from is None or (epoch, seq) < self.revoked_from


@dataclass(frozen=True, slots=True)
class Head:
    """The chain of one gateway: `head` is the hash of batch `next_seq` - 1."""

    gid: bytes
    community: str
    epoch: int
    next_seq: int
    head: bytes
    last_command: int
    hello_nonce: bytes | None
    forks: int
    fork_ms: int | None
    level: int = 1  # evidence level of its key: 1 in a file, 2 in hardware
    is_active: bool = True  # False: revoked, nothing of it is taken


def second_key(site: str) -> str:
    """Of the alarm that a site has more than one gateway."""
    return f"second-gateway:{site}"
