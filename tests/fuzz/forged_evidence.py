"""Evidence files that lies begin with: two months under two versions of a contract, and a metered day."""

from __future__ import annotations

from functools import cache

from fuzz.forged import STATEMENT_KEY, Forger
from support import evidence_builder as b
from support import evidence_meters as meters
from support import evidence_world as w
from support.evidence_late import Late, decided, with_minimum
from support.protocol_samples import p256
from tallystick_protocol import cose
from tallystick_protocol.codes import ResolutionAction
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_draft import EvidenceDraft
from tallystick_protocol.ids import PartyId

SIGNERS = (w.ROOT, w.OFFICE, *w.PARTY_KEYS.values(), p256("machine 1"), p256("machine 2"))
WASHES = (0, 1, 3, 5, 7, 9, 10)  # an abort, one under each version, one over the month's end, one of February


@cache
def _months() -> b.Scene:
    return b.scene(b.Host(washes=lambda rows: [rows[number] for number in WASHES]))


@cache
def months(party: PartyId) -> Forger:
    """January and February of two machines, as a party sees them."""
    return Forger(_months(), Evidence.decode(b.evidence(_months(), party)), SIGNERS)


@cache
def metered(party: PartyId, *, loan: bool = True) -> Forger:
    """A day of readings: Anna sees her curve, parties to the split see sums."""
    made = meters.metered(meters.electricity(loan=loan))
    scene = b.Scene(made.world, [made.built], [(made.envelope, made.leaf, cose.parse(made.envelope).hash)])
    return Forger(scene, Evidence.decode(meters.evidence(made, party)), SIGNERS)


@cache
def late(party: PartyId) -> Forger:
    """A wash of January that was known in February only: it and what it changed are settled again."""
    scene = b.scene(Late())
    return Forger(scene, Evidence.decode(b.evidence(scene, party)), SIGNERS)


@cache
def waived() -> Forger:
    """Counts of January that people waived in February, as the lender sees them."""
    scene = decided(ResolutionAction.WAIVE)
    return Forger(scene, Evidence.decode(b.evidence(scene, w.BANK)), SIGNERS)


@cache
def minimum(party: PartyId) -> Forger:
    """Two months that are brought up to a minimum."""
    scene = with_minimum()
    return Forger(scene, Evidence.decode(b.evidence(scene, party)), SIGNERS)


@cache
def two_statements() -> Forger:
    """The lender's file that shows Elena's statement of January too."""
    built, (envelope, leaf, _) = _months().built[0], _months().envelopes[0]
    elenas = next(number for number, one in enumerate(built.statements) if one.party == w.OWNER)

    def also(draft: EvidenceDraft) -> None:
        draft.open_leaf(draft.add(envelope, leaf), STATEMENT_KEY, elenas, built.statement_tree)

    return Forger(_months(), Evidence.decode(b.evidence(_months(), w.BANK, b.View(also=also))), SIGNERS)
