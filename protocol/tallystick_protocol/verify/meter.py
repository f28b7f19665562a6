"""Tenth step: each settled use is what a gateway signed: its end, its total, its programme, under the right scale.
It never guesses: a use without its signed part is erased (and the file says where), decided by people, or a misfit.
"""

from collections.abc import Iterable

from tallystick_protocol.batch import Batch
from tallystick_protocol.codes import (
    EventCode,
    EvidenceLevel,
    RawKind,
    ResolutionAction,
    StorageClass,
    TimeQuality,
)
from tallystick_protocol.cover import Cover
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, ZERO_H32, channel_hash, sha256, use_id
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.settle import Version
from tallystick_protocol.money.units import counts_per
from tallystick_protocol.money.usage import UsageForm, form_at_close
from tallystick_protocol.ocmf_session import check_record
from tallystick_protocol.records import Descriptor
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, Seen, ensure, is_metered
from tallystick_protocol.verify.coverage import closed_by
from tallystick_protocol.verify.keys import gateway_key
from tallystick_protocol.verify.report import Check, Misfit

_BILLING = frozenset({EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED})
_LEVELS = {StorageClass.FILE: EvidenceLevel.GATEWAY_FILE, StorageClass.HARDWARE: EvidenceLevel.GATEWAY_HARDWARE}

Events = dict[tuple[H32, int], list[Seen]]


def check_meter(case: Case) -> Check:
    """Compare every event use with the events in the opened parts; raises Misfit."""
    events = _events(case)
    lost: dict[bytes, int] = {}
    used: set[tuple[H32, int]] = set()
    compared = decided = 0
    for account in case.verified():
        for use in account.leaves.uses.values():
            seen = events.get((use.channel_hash, use.number), [])
            billing = sorted((one for one in seen if one.event.code in _BILLING), key=lambda one: one.event.number)
            _check_scale(case, account, use, {one.descriptor for one in billing} - {ZERO_H32})
            if use.slices is not None:
                _check_level_of_readings(case, use)
            if not is_metered(use) or use.slices is not None or use.replaces is not None:
                continue
            used.add((use.channel_hash, use.number))
            if billing:
                _compare(case, account, use, billing[0], seen)
                compared += 1
            elif _is_decided(case, account, use):
                decided += 1
            else:
                gid = _descriptor(case, use.channel_hash).gid
                lost[gid] = lost.get(gid, 0) + 1
                _check_erased(case, use, gid, lost[gid])
    _check_all_used(case, events, used)
    case.erased_uses = sum(lost.values())
    figures = {"compared": compared, "erased": case.erased_uses, "meter_signed": case.meter_signed}
    return Check("meters", True, _text(compared, decided, case.erased_uses, case.meter_signed), figures)


def _text(compared: int, decided: int, erased: int, meter_signed: int) -> str:
    text = f"{words.count(compared, 'use')} as the gateway signed them: end, count and programme"
    if meter_signed:
        text += f"; {meter_signed} with the meter's own signature over both readings"
    if decided:
        text += f"; {decided} billed by a decision of people"
    return text + (f"; {erased} erased, of which only the settled line stands" if erased else "")


def _events(case: Case) -> Events:
    events: Events = {}
    numbers: dict[tuple[H32, int], Seen] = {}
    for opened in case.parts:
        part, batch = opened.part, opened.batch.body
        if part is None or not isinstance(batch, Batch):
            continue
        channel = channel_hash(batch.gid, part.channel)
        described = _described_by(case, channel, part.descriptor)
        ensure(
            described is not None,
            f"part {opened.index} of {opened.batch.name}",
            "was measured under a description that is not in the file",
        )
        case.records |= {sha256(raw.data): raw.data for raw in part.raws if raw.kind is RawKind.OCMF}
        for event in part.events:
            seen = Seen(event, opened.batch, described or ZERO_H32)
            twice = numbers.setdefault((channel, event.number), seen)
            ensure(twice is seen, opened.batch.name, f"signs event {event.number} of a channel a second time")
            if event.use is not None:
                events.setdefault((channel, event.use), []).append(seen)
    return events


def _described_by(case: Case, channel: H32, named: H32) -> H32 | None:
    """The description that a part names, or the later one that covers what it says was read; zero for none at all."""
    if named == ZERO_H32:
        return named
    for item in case.descriptors.get(channel, []):
        if item.h == named or (isinstance(item.body, Descriptor) and named in item.body.covered()):
            return item.h
    return None


def _check_all_used(case: Case, events: Events, used: set[tuple[H32, int]]) -> None:
    for (channel, number), seen in events.items():
        if (channel, number) not in used and any(one.event.code in _BILLING for one in seen):
            name = f"use {number} of {case.asset_of(channel)}"
            raise Misfit(
                name, f"was signed by the gateway ({seen[0].batch.name}), but no settlement in the file bills it"
            )


def _compare(case: Case, account: Account, use: Use, billing: Seen, seen: list[Seen]) -> None:
    name, event = case.use_name(use), billing.event
    ensure(billing.batch.leaf < account.item.leaf, name, f"was logged after {account.name}, which bills it")
    total = event.total if event.total is not None else use.to_total
    ensure(use.to_total == total, name, f"was settled up to count {use.to_total}, the gateway signed {total}")
    ensure(
        use.programme == event.programme,
        name,
        f"was settled as {use.programme!r}, the gateway signed {event.programme!r}",
    )
    if event.quality is not TimeQuality.U:
        ended = f"was settled as ended {words.moment(use.end_ms)}, the gateway signed {words.moment(event.t_ms)}"
        ensure(use.end_ms == event.t_ms, name, ended)
    aborted = event.is_free(use.from_total)
    if aborted:
        ensure(use.fee == 0 and use.from_total == use.to_total, name, "was aborted, and is billed all the same")
    case.aborted[use_id(use.channel_hash, use.number)] = aborted
    _check_start(case, name, use, billing, seen)
    _check_level(case, name, use, billing)
    cover = account.leaves.cover_of(use.channel_hash)
    if cover is not None:
        _check_in_cover(name, cover, billing)


def _check_start(case: Case, name: str, use: Use, billing: Seen, seen: list[Seen]) -> None:
    """The begin, where the started event is shown (it is personal: only the payer sees it)."""
    started = next((one.event for one in seen if one.event.code is EventCode.USE_STARTED), None)
    lowest = use.to_total - (billing.event.code is not EventCode.USE_ABORTED)  # where no total was signed at its start
    if started is not None:
        mine = not case.policy.subjects or started.subject is None or started.subject in case.policy.subjects
        ensure(mine, name, "was begun under a pseudonym that is not one of yours")
        if TimeQuality.U not in (started.quality, billing.event.quality):
            begun = min(started.t_ms, billing.event.t_ms)
            text = f"was settled as begun {words.moment(use.start_ms)}, the gateway signed {words.moment(begun)}"
            ensure(use.start_ms == begun, name, text)
        lowest = started.total if started.total is not None else lowest
        ensure(use.from_total >= lowest, name, f"was settled from count {use.from_total}, the gateway signed {lowest}")


def _check_level(case: Case, name: str, use: Use, billing: Seen) -> None:
    if use.level is EvidenceLevel.METER_SIGNED:
        _check_meter_signed(case, name, use, billing)
        return
    best = _LEVELS[gateway_key(case, billing.batch).storage]
    ensure(use.level <= best, name, f"claims evidence level {use.level}, the gateway's key allows {best}")


def _check_level_of_readings(case: Case, use: Use) -> None:
    """No better than the best key of the gateway that reads the channel; no meter signs readings."""
    gid = _descriptor(case, use.channel_hash).gid
    best = max(
        (_LEVELS[span.storage] for span in case.ring.spans if span.subject == gid), default=EvidenceLevel.DECLARED
    )
    why = f"claims evidence level {use.level}, the keys of its gateway allow {best}"
    ensure(use.level <= best, case.use_name(use), why)


def _check_meter_signed(case: Case, name: str, use: Use, billing: Seen) -> None:
    """The meter's own record, where its part is opened (it is personal); the key is the one the description names."""
    known = [item.body for item in case.descriptors.get(use.channel_hash, []) if isinstance(item.body, Descriptor)]
    named = next((one for one in reversed(known) if one.meter_key is not None), None)
    ensure(named is not None, name, "claims its meter's signature, and no description of the channel names its key")
    wanted = billing.event.samples_hash
    ensure(wanted is not None, name, "claims its meter's signature, and the gateway signed no record's hash")
    record = case.records.get(wanted or ZERO_H32)
    if record is None or named is None or named.meter_key is None:
        return
    counts, totals = (named.unit, named.exponent), (use.from_total, use.to_total)
    try:
        check_record(record, named.meter_key, named.serial, counts, totals)
    except ProtocolError as error:
        raise Misfit(name, f"claims its meter's signature, and the record does not bear it out ({error})") from None
    case.meter_signed += 1


def _check_in_cover(name: str, cover: Cover, billing: Seen) -> None:
    batch = billing.batch.body
    if isinstance(batch, Batch):
        last = next((span.last for span in cover.batches if span.epoch == batch.epoch), None)
        inside = batch.seq <= last if last is not None else batch.epoch < cover.batches[0].epoch
        ensure(inside, name, f"comes from {billing.batch.name}, which the settlement does not cover")


def _is_decided(case: Case, account: Account, use: Use) -> bool:
    """Whether people decided to bill this span."""
    cover = account.leaves.cover_of(use.channel_hash)
    if cover is None:
        return False
    return any(
        r.action is ResolutionAction.BILL and r.from_total <= use.from_total and use.to_total <= r.to_total
        for _, r in closed_by(case, account, cover)
    )


def _check_erased(case: Case, use: Use, gid: bytes, lost: int) -> None:
    erased = sum(o.part is None and isinstance(o.batch.body, Batch) and o.batch.body.gid == gid for o in case.parts)
    why = "is billed, but no part that a gateway signed says so, and the file names no erased part for it"
    ensure(lost <= erased, case.use_name(use), why)


def _descriptor(case: Case, channel: H32) -> Descriptor:
    found = case.descriptors.get(channel)
    body = found[-1].body if found else None
    if not isinstance(body, Descriptor):
        raise Misfit(f"channel {words.short(channel)}", "is billed, but no description of it is in the file")
    return body


def _check_scale(case: Case, account: Account, use: Use, measured: set[H32]) -> None:
    """The channel is one the contract prices, for this user, and one count of it means what the contract says.

    `measured`: the descriptions that the use's own parts name, where they are known; a channel may change its asset.
    """
    name = case.use_name(use)
    ensure(use.version < len(account.versions), name, "applies a contract version that the settlement does not list")
    contract = account.versions[use.version].contract
    if not is_metered(use):
        if form_at_close(use.channel_hash) is not UsageForm.REBATE:  # which is also of who used something earlier on
            _check_is_user(case, name, account.versions[use.version], range(len(contract.assets)))
        return
    _descriptor(case, use.channel_hash)
    places: list[int] = []
    for item in case.descriptors[use.channel_hash]:
        if isinstance(item.body, Descriptor):
            _check_description(item.body, contract)
            if not measured or item.h in measured:
                places += contract.asset_indexes(item.body.asset, item.body.quantity)
    ensure(bool(places), name, f"is of an asset that {contract.name!r} does not price")
    _check_is_user(case, name, account.versions[use.version], places)


def _check_is_user(case: Case, name: str, version: Version, places: Iterable[int]) -> None:
    """Scope own: a use is charged to whom the contract makes the user of its asset, and to nobody else."""
    mine = not case.is_own or any(case.pays_for(version, place) for place in places)
    which = f"version {version.contract.version} of {version.contract.name!r}"
    ensure(mine, name, f"is charged to you, but nothing in the file shows that {which} makes you its user")


def _check_description(descriptor: Descriptor, contract: Contract) -> None:
    name = f"description of {descriptor.asset}, channel {descriptor.channel}"
    tariff = contract.tariff
    try:
        ratio = counts_per(tariff.price_unit, descriptor.unit, descriptor.exponent)
    except ProtocolError as error:
        raise Misfit(name, f"does not fit the contract: {error.reason}") from None
    agreed = tariff.counts_per_unit.n * ratio.denominator == ratio.numerator * tariff.counts_per_unit.d
    counts, prices = (descriptor.exponent, descriptor.unit), (tariff.count_exponent, tariff.count_unit)
    why = f"counts in 10^{counts[0]} {counts[1]}, the contract prices 10^{prices[0]} {prices[1]}: the scale was bent"
    ensure(agreed, name, why)
