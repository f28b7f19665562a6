"""Seventh step: heads of chains. What a settlement pins (batches, keys, descriptions) is what the file shows.
It never needs every link: a link that is shown must fit its neighbours, and the pinned head must be there.
"""

from itertools import pairwise

from tallystick_protocol.batch import Batch, first_prev
from tallystick_protocol.checkpoint import log_id
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import Cover
from tallystick_protocol.ids import H32, channel_hash
from tallystick_protocol.records import Descriptor, Resolution
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, Item, ensure
from tallystick_protocol.verify.report import Check, Misfit


def check_chains(case: Case) -> Check:
    """Batches by (epoch, seq), descriptions by channel, decisions by channel, and each cover's heads."""
    batches = _batches(case)
    _descriptors(case)
    _resolutions(case)
    heads = 0
    for account in case.accounts:
        for cover in account.leaves.covers.values():
            _check_heads(case, account, cover, batches)
            heads += 1
    text = f"the chains of {words.count(len({gid for gid, _, _ in batches}), 'gateway')} join up to their heads"
    return Check("chains", True, text, {"batches": len(batches), "covers": heads})


def _batches(case: Case) -> dict[tuple[bytes, int, int], Item]:
    mine = log_id(case.policy.log_key.spki)
    found: dict[tuple[bytes, int, int], Item] = {}
    for item in case.of(ContentType.BATCH):
        batch = _batch(item)
        place = (batch.gid, batch.epoch, batch.seq)
        ensure(place not in found, item.name, "is there twice with different contents: the gateway's chain was forked")
        ensure(batch.log_for in (None, mine), item.name, "was meant for another log than the one in your policy")
        found[place] = item
    for (gid, epoch, seq), item in found.items():
        before = found.get((gid, epoch, seq - 1))
        if before is not None:
            ensure(
                _batch(item).prev == before.h, item.name, f"does not follow {before.name}: one of them was exchanged"
            )
            ensure(item.leaf > before.leaf, item.name, f"was logged before {before.name}: batches were reordered")
        if (epoch, seq) == (1, 1):
            first = [span for span in case.ring.spans if span.subject == gid][:1]
            ensure(_batch(item).prev == first_prev(first[0].key.spki), item.name, "does not begin its gateway's chain")
    return found


def _batch(item: Item) -> Batch:
    return item.body_as(Batch)


def _descriptors(case: Case) -> None:
    """Each channel's descriptions in the order of their chain, from the first."""
    groups: dict[H32, list[Item]] = {}
    for item in case.of(ContentType.DESCRIPTOR):
        if isinstance(item.body, Descriptor):
            groups.setdefault(channel_hash(item.body.gid, item.body.channel), []).append(item)
    for channel, items in groups.items():
        chain: list[Item] = []
        while len(chain) < len(items):
            head = chain[-1].h if chain else None
            following = [item for item in items if isinstance(item.body, Descriptor) and item.body.prev == head]
            why = "and the others of its channel do not form one chain: one is missing, or two follow the same one"
            ensure(len(following) == 1, items[0].name, why)
            chain.append(following[0])
        case.descriptors[channel] = chain


def _resolutions(case: Case) -> None:
    """Decisions about one channel follow each other; the first one shown may follow one that is not shown."""
    groups: dict[H32, list[Item]] = {}
    for item in case.of(ContentType.RESOLUTION):
        if isinstance(item.body, Resolution):
            groups.setdefault(item.body.channel_hash, []).append(item)
    for items in groups.values():
        for before, after in pairwise(items):
            linked = isinstance(after.body, Resolution) and after.body.prev == before.h
            ensure(linked, after.name, "does not follow the decision before it")


def _check_heads(case: Case, account: Account, cover: Cover, batches: dict[tuple[bytes, int, int], Item]) -> None:
    where = f"{account.name}, {case.asset_of(cover.channel_hash)}"
    described = case.descriptors.get(cover.channel_hash, [])
    hashes = [item.h for item in described]
    ensure(cover.descriptor_head in hashes, where, "was settled under a description that is not in the file")
    gid = described[0].body.gid if isinstance(described[0].body, Descriptor) else b""
    history = case.ring.histories.get(gid, [])
    known = any(cover.key_head in record for record in history)
    ensure(known, where, "was settled under a key record that is not in the file")
    for span in cover.batches:
        item = batches.get((gid, span.epoch, span.last))
        if item is None:
            raise Misfit(where, f"its last batch {span.epoch}/{span.last} is not in the file")
        ensure(item.h == span.h, item.name, "is not the one that the settlement covers: another history was settled")
        ensure(item.leaf < account.item.leaf, item.name, "was logged after the settlement that covers it")
    before = account.before.leaves.cover_of(cover.channel_hash) if account.before else None
    if before is not None:
        _check_continued(where, before, cover)


def _check_continued(where: str, before: Cover, cover: Cover) -> None:
    """from(n+1) = to(n) for batches: no batch is covered twice and none is skipped."""
    last, first = before.batches[-1], cover.batches[0]
    if first.epoch == last.epoch:
        stood_still = first == last or (first.first, first.last, first.h) == (last.last, last.last, last.h)
        why = f"skips or repeats batches between {last.epoch}/{last.last} and {first.epoch}/{first.first}"
        ensure(first.first == last.last + 1 or stood_still, where, why)
    else:
        ensure(first.epoch > last.epoch, where, "goes back to an earlier epoch of its gateway")
