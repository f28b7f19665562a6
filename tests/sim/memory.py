"""What pure functions said about the same bytes a moment ago: gateway, network and aggregator share a process here, and
take the same envelope apart many times. No answer changes; an error is never remembered. It lasts for one world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha512
from typing import Any

from sim.patches import Patches
from tallystick_cloud.ingest import service as ingest
from tallystick_edge import core, restore
from tallystick_protocol import cose, schema
from tallystick_protocol.keys import Ed25519Signer, P256Signer, PublicKey


@contextmanager
def remembering() -> Iterator[None]:
    """A signature made here is a hash of key and data, and right because it was made here: what was not is looked at
    by the real arithmetic, and is wrong. Messages, envelopes and uploads are read once."""
    patches, made = Patches(), set[tuple[bytes, bytes, bytes]]()

    def signing(_: Callable[[Any, bytes], bytes]) -> Callable[[Any, bytes], bytes]:
        def sign(self: Any, data: bytes) -> bytes:
            signature = sha512(self.spki + data).digest()  # as long as theirs
            made.add((self.spki, signature, data))
            return signature

        return sign

    def verifying(real: Callable[[Any, bytes, bytes], None]) -> Callable[[Any, bytes, bytes], None]:
        def verify(self: Any, signature: bytes, data: bytes) -> None:
            if (self.spki, signature, data) not in made:
                real(self, signature, data)

        return verify

    for signer in (Ed25519Signer, P256Signer):
        patches.put(signer, "sign", signing)
    patches.put(PublicKey, "verify", verifying)
    patches.put(PublicKey, "from_spki", _once)
    patches.put(cose, "parse", _once)
    patches.put(schema._Message, "decode", _once)
    opened = _once(ingest.open_upload)
    for owner in (ingest, core, restore):
        patches.put(owner, "open_upload", lambda _: opened)
    try:
        yield
    finally:
        patches.undo()


def _once(real: Callable[..., Any]) -> Callable[..., Any]:
    """What it gives is frozen through and through, so that sharing it is safe."""
    known: dict[tuple[Any, ...], Any] = {}

    def call(*given: Any) -> Any:
        found = known.get(given)
        if found is None:
            found = known[given] = real(*given)
        return found

    return call
