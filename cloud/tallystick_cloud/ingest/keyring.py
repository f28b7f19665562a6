"""Public keys of gateways, parsed once: reading a key costs as much as checking a signature.

It never says who may sign; the caller looks only among that gateway's keys.
"""

from collections.abc import Sequence
from functools import lru_cache

from tallystick_protocol.keys import PublicKey

from tallystick_cloud.gateways.model import Key

KEYS_MAX = 10_000  # gateways of one server, 1 kB each


@lru_cache(maxsize=KEYS_MAX)
def public_key(spki: bytes) -> PublicKey:
    return PublicKey.from_spki(spki)


def find(keys: Sequence[Key], kid: bytes) -> Key | None:
    return next((key for key in keys if key.kid == kid), None)
