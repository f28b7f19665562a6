"""Seals pending items: cuts them into parts, salts and pads their hashes, chains and signs the batches.
It opens no file and sends nothing; the journal makes a seal durable before anybody else sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tallystick_protocol import cose
from tallystick_protocol.batch import (
    PART_HASHES_STEP,
    SALT_BYTES,
    Batch,
    LogView,
    SealedPart,
    Upload,
    pad_hashes,
    part_hash,
)
from tallystick_protocol.cbor import UPLOAD_BYTES_MAX
from tallystick_protocol.ids import H32, NONCE_BYTES, gid_from_spki
from tallystick_protocol.keys import Signer

from tallystick_edge.errors import InvariantError
from tallystick_edge.items import Item, Moment
from tallystick_edge.journal import Chain, SealedBatch
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.parts import Numbered, cut, number

ITEMS_MAX = 16_384  # items in one batch: 64 KiB hold about so many readings of fast meters at 4 bytes
PARTS_BYTES_MAX = UPLOAD_BYTES_MAX - 4_096  # leaves room for the envelope's fixed fields and signature
PART_OVERHEAD_BYTES = SALT_BYTES + 8 + 34  # salt, array and string heads, and the part's hash in the batch
PADDING_BYTES = PART_HASHES_STEP * 34


@dataclass(frozen=True, slots=True)
class SealContext:
    """What a batch says about its gateway besides the parts."""

    signer: Signer
    now: Moment
    software: str
    random: Callable[[int], bytes]
    descriptors: Mapping[int, H32]
    log: LogView | None = None
    log_for: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """Batches ready for the journal, and the chain and channel states after them."""

    batches: tuple[SealedBatch, ...]
    chain: Chain
    channels: Mapping[int, ChannelState]


def seal(items: Sequence[Item], channels: Mapping[int, ChannelState], chain: Chain, context: SealContext) -> Sealing:
    """Seal everything pending; without items one empty batch, the heartbeat. Pure but for `context.random`."""
    numbered, states = number(items, channels)
    batches: list[SealedBatch] = []
    for sealed_parts in _pack(numbered, context):
        batch = _sign(sealed_parts, chain, context)
        batches.append(batch)
        chain = Chain(chain.epoch, batch.seq + 1, batch.hash, chain.last_command, chain.log_view)
    changed = {number: state for number, state in states.items() if channels.get(number) != state}
    return Sealing(tuple(batches), chain, changed)


def _pack(numbered: Sequence[Numbered], context: SealContext) -> list[tuple[SealedPart, ...]]:
    """Split into slices that fit an upload; a channel's numbers rise from batch to batch."""
    parts = tuple(SealedPart(context.random(SALT_BYTES), part.encode()) for part in cut(numbered, context.descriptors))
    size = sum(len(part.data) + PART_OVERHEAD_BYTES for part in parts) + PADDING_BYTES
    if len(numbered) <= ITEMS_MAX and size <= PARTS_BYTES_MAX:
        return [parts]
    if len(numbered) < 2:
        raise InvariantError(f"one item takes {size} bytes: an item is never larger than an upload")
    return [sealed for half in _halves(numbered) for sealed in _pack(half, context)]


def _halves(numbered: Sequence[Numbered]) -> tuple[Sequence[Numbered], Sequence[Numbered]]:
    """Between channels where there are several: a part has a head of its own in each batch, and each is dear.
    One channel alone is cut in time."""
    counts = Counter(each.item.channel for each in numbered)
    first: set[int] = set()
    room = len(numbered) // 2
    for channel, count in counts.items():
        if first and count > room:
            break
        first.add(channel)
        room -= count
    if len(first) == len(counts):
        middle = len(numbered) // 2
        return numbered[:middle], numbered[middle:]
    left = [each for each in numbered if each.item.channel in first]
    return left, [each for each in numbered if each.item.channel not in first]


def _sign(parts: tuple[SealedPart, ...], chain: Chain, context: SealContext) -> SealedBatch:
    hashes = [part_hash(part.salt, part.data) for part in parts]
    batch = Batch(
        gid=gid_from_spki(context.signer.spki),
        epoch=chain.epoch,
        seq=chain.next_seq,
        prev=H32(chain.head),
        nonce=context.random(NONCE_BYTES),
        created=context.now.utc_ms,
        boot=context.now.boot,
        uptime_ms=context.now.uptime_ms,
        quality=context.now.quality,
        error_ms=None,
        log=context.log,
        software=context.software,
        part_hashes=pad_hashes(hashes, context.random),
        log_for=context.log_for,
    )
    envelope = cose.sign(context.signer, cose.ContentType.BATCH, batch.encode())
    upload = Upload(envelope, parts).encode()
    return SealedBatch(chain.epoch, chain.next_seq, cose.parse(envelope).hash, context.now.utc_ms, upload)
