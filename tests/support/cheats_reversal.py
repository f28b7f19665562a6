"""What a host can try with uses that count as if they had never been: each entry makes a file, and says what the
verifier must name. The honest host reverses Bruno's first wash of January before the month is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import Cheat
from support.protocol_samples import ed25519, fixed, p256
from tallystick_protocol import cose
from tallystick_protocol.cose import ContentType
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_draft import EvidenceDraft
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import Signer
from tallystick_protocol.money.rating import Usage
from tallystick_protocol.money.settle import Built, RatedUse, Settled
from tallystick_protocol.records import Reversal
from tallystick_protocol.settled_use import Use

Decide = Callable[[Usage], Sequence[Reversal]]


def decision(usage: Usage, label: str = "decision", **changes: Any) -> Reversal:
    """That this use counts as if it had never been."""
    said = Reversal(
        fixed(label, 16), usage.channel_hash, usage.number, usage.from_total, usage.to_total, H32(fixed("why", 32))
    )
    return replace(said, **changes)


def is_reversed(usage: Usage) -> bool:
    return usage.payer == w.BRUNO and usage.start_ms == w.JANUARY + 2 * w.DAY


@dataclass
class Reversing:
    """A host that reverses one wash. `decide` gives the decisions, `named` those that the settled use names.

    `counts_it`: in the counters, as if nothing had been decided; `is_billed`: at its price too; `logs_late`: after the
    month is settled."""

    decide: Decide = lambda usage: [decision(usage)]
    named: Callable[[list[H32]], tuple[H32, ...]] = tuple
    signer: Signer = w.OFFICE
    counts_it: bool = False
    is_billed: bool = False
    logs_late: bool = False
    use: Callable[[Settled], Settled] = lambda one: one
    found: Callable[[], w.World] = w.found
    washes: Callable[[list[w.Wash]], list[w.Wash]] = list
    world: w.World = field(init=False)
    scene: b.Scene = field(init=False)
    _hashes: list[H32] = field(default_factory=list)

    def make(self, party: PartyId = w.BANK) -> bytes:
        hooks: dict[str, Any] = {"found": self._found, "usages": self._usages, "rated": self._rated}
        self.scene = b.scene(b.Host(**hooks, washes=self.washes, built=self._built))
        return b.evidence(self.scene, party, b.View(also=self._show if self.is_billed else lambda draft: None))

    def _show(self, draft: EvidenceDraft) -> None:
        for envelope, leaf in self.world.log.envelopes:
            if cose.parse(envelope).content_type is ContentType.REVERSAL:
                draft.add(envelope, leaf)

    def _found(self) -> w.World:
        self.world = self.found()
        return self.world

    def _usages(self, period: int, usages: list[Usage]) -> list[Usage]:
        if self.logs_late and period:
            self._sign(next(filter(is_reversed, self._january)), is_logged=True)
        if period:
            return usages
        self._january = usages
        one = next(filter(is_reversed, usages))
        self._sign(one, is_logged=not self.logs_late)
        return [u._replace(aborted=True) if is_reversed(u) and not self.counts_it else u for u in usages]

    def _sign(self, usage: Usage, *, is_logged: bool) -> None:
        envelopes = [cose.sign(self.signer, ContentType.REVERSAL, said.encode()) for said in self.decide(usage)]
        self._hashes = [cose.parse(envelope).hash for envelope in envelopes]
        if is_logged:
            for envelope in envelopes:
                self.world.log.add(envelope)

    def _rated(self, period: int, rated: list[RatedUse]) -> list[RatedUse]:
        if period or self.counts_it or not self._hashes:
            return rated
        return [replace(one, reversal=self._hashes[0]) if is_reversed(one.rated.usage) else one for one in rated]

    def _built(self, period: int, built: Built) -> Built:
        if period:
            return built
        named = self.named(self._hashes)
        rows = [self.use(self._named(one, named)) if self._is_it(one) else one for one in built.uses]
        return b.rebuilt(built, uses=rows)

    def _named(self, one: Settled, named: tuple[H32, ...]) -> Settled:
        if self.is_billed:
            return one
        free = tuple((party, 0) for party, _ in one.use.shares)
        return replace(one, use=told(replace(one.use, reversals=(), fee=0, shares=free, counters=()), named))

    def _is_it(self, one: Settled) -> bool:
        usage = next(filter(is_reversed, self._january))
        return (one.use.channel_hash, one.use.number) == (usage.channel_hash, usage.number)


def told(use: Use, reversals: tuple[H32, ...]) -> Use:
    """Also what our own messages refuse to say: a host writes its own bytes."""
    object.__setattr__(use, "reversals", reversals)
    return use


def lying(party: PartyId = w.BANK, **how: Any) -> Callable[[], bytes]:
    return lambda: Reversing(**how).make(party)


def without_decision(party: PartyId) -> Callable[[], bytes]:
    """The file does not show the decision that the use names."""

    def make() -> bytes:
        shown = Evidence.decode(Reversing().make(party))
        place = next(
            n for n, one in enumerate(shown.objects)
            if cose.parse(one.envelope).content_type is ContentType.REVERSAL
        )  # fmt: skip
        pieces = tuple(replace(one, object=one.object - (one.object > place)) for one in shown.pieces)
        return replace(shown, objects=shown.objects[:place] + shown.objects[place + 1 :], pieces=pieces).encode()

    return make


def of_another(usage: Usage) -> Sequence[Reversal]:
    return [decision(usage, number=usage.number + 1)]


def of_another_machine(usage: Usage) -> Sequence[Reversal]:
    return [decision(usage, channel_hash=H32(fixed("another machine", 32)))]


def of_more(usage: Usage) -> Sequence[Reversal]:
    return [decision(usage, to_total=usage.to_total + 1)]


def twice(usage: Usage) -> Sequence[Reversal]:
    return [decision(usage), decision(usage, "again")]


def with_a_share(one: Settled) -> Settled:
    """The lender still gets something of it."""
    shares = tuple((party, share + 1 - 2 * (n == 1)) for n, (party, share) in enumerate(one.use.shares[:2]))
    return replace(one, use=replace(one.use, shares=(*shares, *one.use.shares[2:])))


REVERSED: tuple[Cheat, ...] = (
    Cheat("a wash that nobody reversed costs nothing", "by the contract 2", lying(decide=lambda _: [])),
    Cheat("a decision about another wash", "by a decision about another use", lying(decide=of_another)),
    Cheat("a decision about another machine", "by a decision about another use", lying(decide=of_another_machine)),
    Cheat("a decision about more than was counted", "by a decision about other counts", lying(decide=of_more)),
    Cheat("one wash reversed by two decisions", "name one decision of a use", lying(decide=twice)),
    Cheat("one decision named twice", "name one decision of a use", lying(named=lambda hashes: (*hashes, *hashes))),
    Cheat("a decision by the lender", "may not sign a resolution", lying(signer=w.PARTY_KEYS[w.BANK])),
    Cheat("a decision by a gateway", "may not sign a resolution", lying(signer=p256("machine 1"))),
    Cheat("a decision by a stranger", "may not sign a resolution", lying(signer=ed25519("stranger"))),
    Cheat("a decision after the settlement that relies on it", "which relies on it", lying(logs_late=True)),
    Cheat("a decision that is not shown", "by a decision that is not in the file", without_decision(w.BANK)),
    Cheat(
        "a decision that is not shown to the user",
        "by a decision that is not in the file",
        without_decision(w.BRUNO),
        w.BRUNO,
    ),
    Cheat("a reversed wash that still stands in the counters", "was priced from other counters", lying(counts_it=True)),
    Cheat(
        "a reversed wash that still stands in the user's counters",
        "was priced from other counters",
        lying(w.BRUNO, counts_it=True),
        w.BRUNO,
    ),
    Cheat(
        "a decision that no settlement heeds",
        "no settlement in the file heeds it",
        lying(counts_it=True, is_billed=True),
    ),
    Cheat(
        "a decision that no settlement heeds, to the user",
        "no settlement in the file heeds it",
        lying(w.BRUNO, counts_it=True, is_billed=True),
        w.BRUNO,
    ),
    Cheat(
        "a reversed wash of which somebody still gets a share",
        "gives Elena 0.00 EUR by the contract",
        lying(use=with_a_share),
    ),
)
