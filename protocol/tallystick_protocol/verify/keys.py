"""Second step: whose keys are in force, and that every object was signed by a key that may sign it there.
A key is believed because a root of the policy signed its record, never because the file brings it.
"""

from tallystick_protocol.batch import Batch
from tallystick_protocol.codes import KeyAction
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, gid_from_spki
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.records import KeyEvent, Since
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Case, Item, KeySpan, Ring, ensure
from tallystick_protocol.verify.report import Check, Misfit

KEY_KIND = ContentType.KEY_EVENT.kind
_BY_PARTIES = frozenset({ContentType.CONTRACT, ContentType.APPROVAL})


def check_keys(case: Case) -> Check:
    """Build the ring of keys in force and check every signature; raises Misfit."""
    events = _accepted_events(case)
    for subject in sorted({_subject(event) for event, _, _ in events}, key=repr):
        _add_history(case.ring, subject, [row for row in events if _subject(row[0]) == subject])
    for item in case.items:
        if item.kind is not ContentType.KEY_EVENT:
            _check_signature(case, item)
    text = f"every signature fits a key in force ({words.count(len(case.items), 'signature')})"
    return Check("signatures", True, text, {"signatures": len(case.items), "keys": len(case.ring.spans)})


def signer_of(case: Case, item: Item) -> KeySpan:
    """The key in force that signed a contract or an answer, with its party; raises Misfit."""
    for span in case.ring.spans:
        if span.key.kid == item.unverified.kid and isinstance(span.subject, bytes) and _in_force(span, item.leaf):
            return span
    raise Misfit(item.name, f"is signed by key {item.unverified.kid.hex()}, which is no party's key in force then")


def gateway_key(case: Case, item: Item) -> KeySpan:
    """The key in force that signed a batch; raises Misfit."""
    batch = item.body_as(Batch)
    at = (batch.epoch, batch.seq)
    for span in case.ring.spans:
        if span.subject == batch.gid and span.key.kid == item.unverified.kid and _in_force(span, at):
            return span
    raise Misfit(item.name, f"is signed by key {item.unverified.kid.hex()}, which is not this gateway's key there")


def _accepted_events(case: Case) -> list[tuple[KeyEvent, frozenset[H32], int]]:
    """Key records that enough roots, or a host key that may, have signed: (record, its hashes, first leaf)."""
    groups: dict[bytes, list[Item]] = {}
    for item in case.of(ContentType.KEY_EVENT):
        groups.setdefault(item.unverified.payload, []).append(item)
    accepted = []
    for group in groups.values():
        event = group[0].body
        if not isinstance(event, KeyEvent):
            continue
        signers = {_root_or_host(case, item) for item in group}
        roots = {key.kid for key in case.policy.roots} & {key.kid for key in signers}
        hosted = len(signers) > len(roots)
        needed = case.policy.roots_needed
        ensure(hosted or len(roots) >= needed, group[0].name, f"is signed by {len(roots)} of {needed} community keys")
        accepted.append((event, frozenset(item.h for item in group), group[0].leaf))
    return accepted


def _root_or_host(case: Case, item: Item) -> PublicKey:
    """The root or listed host key that signed a key record."""
    listed = [one.key for one in case.policy.keys if KEY_KIND in one.may]
    for key in (*case.policy.roots, *listed):
        if key.kid == item.unverified.kid:
            _verify(item, key)
            return key
    why = f"is signed by key {item.unverified.kid.hex()}, which is neither a community key nor may sign key records"
    raise Misfit(item.name, why)


def _subject(event: KeyEvent) -> bytes | str:
    return event.subject


def _add_history(ring: Ring, subject: bytes | str, rows: list[tuple[KeyEvent, frozenset[H32], int]]) -> None:
    """Follow the chain of one subject's records from its first; every record must be in it."""
    name = f"key records of {subject if isinstance(subject, str) else words.short(subject)}"
    prev: frozenset[H32] | None = None
    chain: list[frozenset[H32]] = []
    left = list(rows)
    while left:
        following = [row for row in left if (row[0].prev is None if prev is None else row[0].prev in prev)]
        ensure(len(following) == 1, name, "do not form one chain: one is missing, or two follow the same one")
        event, hashes, _ = following[0]
        _apply(ring, subject, event, is_first=prev is None, name=name)
        chain.append(hashes)
        prev = hashes
        left.remove(following[0])
    ring.histories[subject] = chain


def _apply(ring: Ring, subject: bytes | str, event: KeyEvent, *, is_first: bool, name: str) -> None:
    if isinstance(event.valid_from, tuple) and is_first:
        ensure(
            gid_from_spki(event.spki) == subject, name, "begin with a key that the gateway's name does not follow from"
        )
    key = _public_key(event.spki, name)
    if event.action is KeyAction.REVOKE:
        ensure(any(s.subject == subject and s.key == key for s in ring.spans), name, "revoke a key they never gave")
    mine = [span for span in ring.spans if span.subject == subject]
    for span in mine:
        ended = event.revoked_from if event.action is KeyAction.REVOKE and span.key == key else None
        if event.action is KeyAction.ROTATE and span.until is None:
            ended = event.valid_from
        if ended is not None:
            ensure(type(ended) is type(span.since), name, "end a key in another measure than it began")
            ring.spans[ring.spans.index(span)] = KeySpan(
                span.key, span.subject, span.may, span.since, ended, span.storage
            )
    if event.action is not KeyAction.REVOKE:
        may = frozenset(grant for grant in event.may if isinstance(grant, str))
        ring.spans.append(KeySpan(key, subject, may, event.valid_from, event.revoked_from, event.storage))


def _check_signature(case: Case, item: Item) -> None:
    if item.kind is ContentType.BATCH:
        _verify(item, gateway_key(case, item).key)
        return
    if item.kind in _BY_PARTIES:
        for known in case.policy.party_keys:
            if known.key.kid == item.unverified.kid:
                _verify(item, known.key)
                return
        _verify(item, signer_of(case, item).key)
        return
    if item.kind is ContentType.CONTINUATION:
        _check_root_alone(case, item)
        return
    _verify(item, _office_key(case, item))


def _check_root_alone(case: Case, item: Item) -> None:
    """What no host's key may sign, and no role's: as many roots as the policy needs have signed the same record."""
    same = [one for one in case.of(item.kind) if one.unverified.payload == item.unverified.payload]
    roots = {key.kid: key for key in case.policy.roots}
    for one in same:
        key = roots.get(one.unverified.kid)
        if key is None:
            raise Misfit(one.name, f"is signed by key {one.unverified.kid.hex()}, which is no community key")
        _verify(one, key)
    signed, needed = len({one.unverified.kid for one in same}), case.policy.roots_needed
    ensure(signed >= needed, item.name, f"is signed by {signed} of {needed} community keys")


def _office_key(case: Case, item: Item) -> PublicKey:
    """The key that signed a description, settlement or decision: a root, a listed host key or a role's key."""
    kid, kind = item.unverified.kid, item.kind.grant
    if case.policy.roots_needed == 1:
        for key in case.policy.roots:
            if key.kid == kid:
                return key
    for listed in case.policy.keys:
        if listed.key.kid == kid and kind in listed.may and not _revoked(case, listed.key, item.leaf):
            return listed.key
    for span in case.ring.spans:
        role = isinstance(span.subject, str) and kind in span.may
        if span.key.kid == kid and role and _in_force(span, item.leaf):
            return span.key
    raise Misfit(item.name, f"is signed by key {kid.hex()}, which may not sign a {kind} there")


def _revoked(case: Case, key: PublicKey, leaf: int) -> bool:
    """Whether a record in the file says that a key of the policy is no longer in force."""
    spans = [span for span in case.ring.spans if span.key == key]
    return bool(spans) and not any(_in_force(span, leaf) for span in spans)


def _in_force(span: KeySpan, at: Since) -> bool:
    if isinstance(at, tuple):
        since = isinstance(span.since, tuple) and span.since <= at
        return since and (span.until is None or (isinstance(span.until, tuple) and at < span.until))
    begun = isinstance(span.since, int) and span.since <= at
    return begun and (span.until is None or (isinstance(span.until, int) and at < span.until))


def _verify(item: Item, key: PublicKey) -> None:
    try:
        item.unverified.verify(key)
    except ProtocolError as error:
        raise Misfit(item.name, f"has a signature that does not fit ({error.reason})") from None


def _public_key(spki: bytes, name: str) -> PublicKey:
    try:
        return PublicKey.from_spki(spki)
    except ProtocolError as error:
        raise Misfit(name, f"hold a key that must not be used ({error.reason})") from None
