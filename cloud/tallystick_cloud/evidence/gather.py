"""Opens to a party what is for it, settlement by settlement, into a draft of its file.

It never opens a personal part or a curve to anybody but the payer, nor a statement to anybody but its party.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.batch import Batch
from tallystick_protocol.checkpoint import epoch_of
from tallystick_protocol.codes import EventCode, Scope, Sensitivity
from tallystick_protocol.cover import Cover
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.evidence_draft import EvidenceDraft
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.rating import AT_CLOSE, UsageForm, counters_of
from tallystick_protocol.part import Part
from tallystick_protocol.records import Continuation
from tallystick_protocol.salted_tree import Leaf
from tallystick_protocol.settled_use import Use

from tallystick_cloud.context import Context
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.gateways.store import channel_row
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.log import epochs
from tallystick_cloud.log.prover import Prover
from tallystick_cloud.settlement import sources
from tallystick_cloud.settlement import store as settlements
from tallystick_cloud.settlement.model import LeafRow, Stored, TreeKey

from . import store
from .model import Chain

EARLY_MS = 86_400_000  # how much a gateway's clock may be ahead of the server's
OFFICE = (b"root", b"settlement")  # roles whose key records are always shown


@dataclass(frozen=True, slots=True)
class _Own:
    """What of a contract is one payer's: channel hashes and counter keys."""

    channels: set[bytes]
    counters: set[bytes]


class Gathering:
    """One file in the making; `chain` for each contract, then `echoes` for the proofs."""

    def __init__(self, conn: Connection, context: Context, party: PartyId, scope: Scope) -> None:
        self._conn, self._community, self._party, self._scope = conn, context.community, party, scope
        self._log = context.log_id
        self.draft = EvidenceDraft(party, scope)
        self.echoes: set[tuple[int, int]] = set()  # (epoch, size) of the log
        self.top = 0  # one above the highest leaf of the log in the file
        self._batches: dict[bytes, int] = {}
        self._gids: set[bytes] = set()
        for role in OFFICE:
            self._add_all(store.key_events(conn, self._community, role))

    @property
    def is_own(self) -> bool:
        return self._scope is Scope.OWN

    def chain(self, chain: Chain) -> None:
        """Everything of one contract."""
        self._contracts(chain)
        own = self._own(chain) if self.is_own else None
        for stored in chain.settlements:
            self._settlement(stored, own, is_base=stored is chain.base)

    def finish(self, note: bytes, prover: Prover) -> bytes:
        """The file under a checkpoint, with the records that say how the log came to it, and what is to be proved."""
        kept: list[Continuation] = []
        for envelope, leaf in epochs.continuations(self._conn, self._community):
            if leaf < prover.size:
                self._add(envelope, leaf)
                kept.append(Continuation.decode(cose.parse(envelope).payload))
        proved = {record.size for record in kept}
        for epoch, size in self.echoes:
            limit = min((record.size for record in kept if record.epoch > epoch), default=prover.size)
            if size <= limit:  # above it are entries that were set back, of which nothing can be proved any more
                proved.add(size)
        return self.draft.finish(note, prover.inclusion, sorted(proved), prover.consistency)

    # -------------------------------------------------------- signed objects

    def _add(self, envelope: bytes, leaf: int) -> int:
        self.top = max(self.top, leaf + 1)
        return self.draft.add(envelope, leaf)

    def _add_all(self, logged: Iterable[store.Logged]) -> None:
        for envelope, leaf in logged:
            self._add(envelope, leaf)

    def _contracts(self, chain: Chain) -> None:
        """All versions before the last settlement with the answers to them, and the signers' key records."""
        last = chain.shown[-1].leaf
        logged: list[store.Logged] = []
        for row in store.versions(self._conn, chain.id):
            if row.leaf < last and (bytes(row.h) in chain.contracts or self._is_before_a_listed(chain, row)):
                answers = [one for one in store.approvals(self._conn, row.h) if one[1] < last]
                logged += [(bytes(row.envelope), row.leaf), *answers]
        for envelope, leaf in logged:
            number = self._add(envelope, leaf)
            self._users(number, chain, cose.parse(envelope).hash)
            signer = store.owner_of_kid(self._conn, self._community, cose.parse(envelope).kid)
            if signer is not None:
                self._add_all(store.key_events(self._conn, self._community, bytes(signer)))

    def _users(self, number: int, chain: Chain, h: H32) -> None:
        """A user's own places behind the commitments of a version, and nobody else's."""
        version = chain.versions.get(h)
        if version is None or not self.is_own:
            return
        for opening in version.openings:
            if opening.party == self._party:
                users = [asset.user for asset in version.contract.assets]
                if opening.commitment not in users:
                    raise InvariantError(f"{opening.asset} has an opening, but its contract does not price it")
                index = users.index(opening.commitment)
                self.draft.open_user(number, index, opening.salt, self._party)

    def _is_before_a_listed(self, chain: Chain, row: Any) -> bool:
        return any(contract.version > row.version for contract in chain.contracts.values())

    def _channel(self, channel_hash: bytes) -> Any:
        """The channel's row; its descriptions and its gateway's key records are in the file from now on."""
        row = channel_row(self._conn, channel_hash)
        self._add_all(store.descriptors(self._conn, row.gid, row.channel))
        if bytes(row.gid) not in self._gids:
            self._gids.add(bytes(row.gid))
            self._add_all(store.key_events(self._conn, self._community, bytes(row.gid)))
        return row

    def _batch(self, h: bytes) -> int:
        if h not in self._batches:
            row = store.batches(self._conn, [h])[h]
            envelope = bytes(row.envelope)
            self._batches[h] = self._add(envelope, row.leaf)
            view = Batch.decode(cose.parse(envelope).payload).log
            if view is not None:
                self.echoes.add((epoch_of(view.log, self._log), view.size))
        return self._batches[h]

    # -------------------------------------------------------- leaves

    def _settlement(self, stored: Stored, own: _Own | None, *, is_base: bool) -> None:
        number = self._add(stored.envelope, stored.leaf)
        rows = {tree: settlements.leaves(self._conn, stored.h, tree) for tree in TreeKey}
        uses = sources.uses_of(self._conn, stored.h)
        for tree in TreeKey:
            opened = [row for row in rows[tree] if self._may_see(tree, row, own, is_base=is_base)]
            self._open_leaves(number, stored, tree, rows[tree], opened)
        if not is_base:
            self._parts(stored, [row for row in uses if not self.is_own or bytes(row.payer) == self._party])

    def _may_see(self, tree: TreeKey, row: LeafRow, own: _Own | None, *, is_base: bool) -> bool:
        match tree:
            case TreeKey.STATEMENTS:
                return row.party == self._party
            case TreeKey.USES:
                return not is_base and (own is None or row.party == self._party)
            case TreeKey.COVERS:
                return own is None or row.ref in own.channels
            case TreeKey.COUNTERS:
                return own is None or row.ref in own.counters

    def _open_leaves(
        self, number: int, stored: Stored, tree: TreeKey, rows: Sequence[LeafRow], opened: Sequence[LeafRow]
    ) -> None:
        paths = _Paths(rows, opened)
        for row in opened:
            if row.salt is None or row.data is None:
                continue
            path = paths.of(row.position)
            piece = self.draft.open_kept(number, int(tree), row.position, Leaf(row.salt, row.data), path)
            match tree:
                case TreeKey.COVERS:
                    self._heads(Cover.decode(row.data))
                case TreeKey.USES:
                    self._use(stored, row, Use.decode(row.data), piece)
                case TreeKey.STATEMENTS | TreeKey.COUNTERS:
                    pass

    def _heads(self, cover: Cover) -> None:
        """What a cover pins: its gateway's last batches, and the decisions that closed spans."""
        row = self._channel(cover.channel_hash)
        for span in cover.batches:
            self._batch(span.h)
        if cover.closed:
            before = settlements.channel_resolutions(self._conn, row.channel_hash)
            wanted = {h for _, h in cover.closed}
            last = max(one.leaf for one in before if bytes(one.h) in wanted)
            self._add_all([(bytes(one.envelope), one.leaf) for one in before if one.leaf <= last])

    def _use(self, stored: Stored, row: LeafRow, use: Use, piece: int) -> None:
        for h in use.reversals:
            self._add(*store.reversal_of(self._conn, h))
        if self.is_own and use.slices is not None:
            kept = settlements.slices(self._conn, stored.h, row.position)
            paths = _Paths(kept, kept)
            for one in kept:
                if one.salt is not None and one.data is not None:
                    leaf = Leaf(one.salt, one.data)
                    self.draft.open_kept_slice(piece, one.position, leaf, paths.of(one.position))

    # -------------------------------------------------------- parts

    def _parts(self, stored: Stored, uses: Sequence[Any]) -> None:
        """The part that bills each use; to its payer also the one that says when it began, or the readings."""
        events = [row for row in uses if row.form == UsageForm.EVENT.value]
        for channel in {bytes(row.channel_hash) for row in uses if row.form not in AT_CLOSE}:
            self._channel(channel)
        billing = [(bytes(row.batch), row.settled_part) for row in events if row.settled_part is not None]
        known = store.parts(self._conn, [batch for batch, _ in billing])
        for batch, position in billing:
            self._open_part(known[batch, position])
        if self.is_own:
            for channel in {bytes(row.channel_hash) for row in events}:
                self._started(stored, channel, [row for row in events if bytes(row.channel_hash) == channel])
            slices = [row for row in uses if row.form == UsageForm.INTERVAL.value]
            for channel in {bytes(row.channel_hash) for row in slices}:
                self._readings(stored, channel, [row for row in slices if bytes(row.channel_hash) == channel])

    def _open_part(self, row: Any) -> None:
        number = self._batch(bytes(row.batch))
        if row.data is None or row.salt is None:
            self.draft.open_erased(number, row.position)
        else:
            self.draft.open_part(number, row.position, bytes(row.salt), bytes(row.data))

    def _started(self, stored: Stored, channel: bytes, uses: Sequence[Any]) -> None:
        """Personal parts of the party's own uses: each holds at most one use."""
        row = self._channel(channel)
        numbers = {one.number for one in uses}
        since = min(one.start_ms for one in uses) - EARLY_MS
        found = store.channel_parts(self._conn, row.gid, row.channel, int(Sensitivity.PERSONAL), since, stored.leaf)
        opened = [
            (bytes(one.batch), one.position)
            for one in found
            if any(
                event.code is EventCode.USE_STARTED and event.use in numbers
                for event in Part.decode(bytes(one.data)).events
            )
        ]
        known = store.parts(self._conn, [batch for batch, _ in opened])
        for place in opened:
            self._open_part(known[place])

    def _readings(self, stored: Stored, channel: bytes, uses: Sequence[Any]) -> None:
        """Own readings from the last one before the first slice to the first one after the last."""
        row = self._channel(channel)
        begin, end = min(one.start_ms for one in uses), max(one.end_ms for one in uses)
        found = store.channel_parts(self._conn, row.gid, row.channel, int(Sensitivity.MONEY), 0, stored.leaf)
        spans = [(one, _span(Part.decode(bytes(one.data)))) for one in found if one.standing == "read"]
        timed = [(one, span) for one, span in spans if span is not None]
        low = max((span[0] for _, span in timed if span[0] <= begin), default=0)
        high = min((span[1] for _, span in timed if span[1] >= end), default=end)
        opened = [(bytes(one.batch), one.position) for one, span in timed if span[1] >= low and span[0] <= high]
        known = store.parts(self._conn, [batch for batch, _ in opened])
        for place in opened:
            self._open_part(known[place])

    # -------------------------------------------------------- what is one's own

    def _own(self, chain: Chain) -> _Own:
        """Channels of which every use is the party's and that the contract gives to it alone; its price counters."""
        channels: dict[bytes, bool] = {}
        counters: set[bytes] = set()
        for stored in chain.settlements:
            for row in settlements.leaves(self._conn, stored.h, TreeKey.COVERS):
                if row.ref is not None:
                    channels.setdefault(row.ref, self._is_given(chain.versions.values(), row.ref))
            for use in sources.uses_of(self._conn, stored.h):
                if bytes(use.payer) != self._party:
                    channels[bytes(use.channel_hash)] = False
                elif use.kind == Kind.LIVE.value and stored is not chain.base:
                    moved = counters_of(chain.contracts[H32(bytes(use.contract))], chain.id, usage_of(use))
                    counters |= {counter.key for counter in moved if counter.payer is not None}
        return _Own({channel for channel, mine in channels.items() if mine}, counters)

    def _is_given(self, versions: Iterable[Version], channel_hash: bytes) -> bool:
        row = channel_row(self._conn, channel_hash)
        for version in versions:
            users = version.users_of(row.asset, row.quantity)
            if users and users != [self._party]:
                return False
        return True


class _Paths:
    """Audit paths in one tree; none are needed where every leaf is opened."""

    def __init__(self, rows: Sequence[LeafRow], opened: Sequence[LeafRow]) -> None:
        whole = len(opened) == len(rows) and all(row.data is not None for row in rows)
        self._prover = None if whole else Prover([row.h for row in rows])

    def of(self, index: int) -> list[H32]:
        return [] if self._prover is None else self._prover.inclusion(index)


def _span(part: Part) -> tuple[int, int] | None:
    """First and last reading in ms UTC."""
    times = [reading.t_ms for segment in part.segments for reading in segment.readings()]
    return (min(times), max(times)) if times else None
