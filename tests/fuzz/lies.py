"""What a host says otherwise in evidence, signed anew with all that follows, and the words of the verifier. Each row is
there for a refusal that changed bytes and the catalogue of cheats do not reach."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fuzz.edits import add, all_of, edit, other, put
from fuzz.forged import near
from fuzz.forged_evidence import late, minimum, two_statements, waived
from fuzz.told import (
    ANNA,
    BANK,
    ELENA,
    LENDER,
    PAYER,
    TIER,
    Told,
    _part,
    a_command,
    a_curve,
    a_line,
    after,
    another_settlement,
    bare,
    corrected,
    corrected_leaf,
    correction,
    decisions,
    dropped,
    early,
    exchanged,
    free,
    head_of_batch_1,
    is_of_nothing,
    key_record,
    misnamed,
    naming,
    of_more,
    one_object,
    one_piece,
    only_corrected,
    set_back,
    shown,
    then,
    third_version,
    twice,
    with_another_counter,
    without,
    witnessed_elsewhere,
)
from support import evidence_world as w
from support.protocol_samples import ed25519, fixed, h32, p256
from tallystick_protocol.checkpoint import add_cosignature
from tallystick_protocol.codes import KeyAction, LineKind, LogType, UseKind
from tallystick_protocol.evidence import ERASED, PART_KEY, SLICE_KEY
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.policy import OperatorKey, PartyKey

AGREEMENT: dict[str, Told] = {
    "a contract that is not there": Told(
        "applies a contract that is not in the file", BANK, {("settlement", 1): put(4, 1, value=h32("contract"))}
    ),
    "a contract in another unit": Told(
        "is in another unit than its contract", BANK, {("contract", 1): put(6, value="CHF")}
    ),
    "a contract proposed by somebody else": Told(
        "was proposed by nobody of its parties",
        BANK,
        signers={("contract", 1): ed25519("anna")},
        policy=lambda policy: replace(policy, party_keys=(PartyKey(w.ANNA, public_key_of(ed25519("anna"))),)),
    ),
    "an answer in another's name": Told(
        "is signed by somebody else than the party it names", BANK, {("approval", 0): put(3, value=w.OWNER)}
    ),
    "only a settlement without its lines": Told(
        "holds only a settlement whose lines are not shown",
        BANK,
        then=then(without((LogType.SETTLEMENT, 0)), shown(lambda pieces: [p for p in pieces if p.key not in (7, 11)])),
    ),
    "lines without the settlement before": Told(
        "shows uses, but the settlement before it is not in the file", BANK, then=without((LogType.SETTLEMENT, 0))
    ),
    "two settlements after one": Told("is one of two that follow the same settlement", BANK, more=another_settlement),
    "a settlement before the one it follows": Told(
        "was logged before the one it follows", BANK, order=after(("settlement", 0), ("settlement", 1))
    ),
    "a day between two settlements": Told(
        "does not begin where the one before ended", BANK, {("settlement", 1): add(3, 0, n=1)}
    ),
    "another unit than before": Told(
        "is in another unit than the one before", BANK, {("settlement", 1): put(8, value="CHF")}
    ),
    "a contract after what applies it": Told(
        "was logged after the settlement that applies it", BANK, order=after(("contract", 1), ("settlement", 0))
    ),
    "two contracts in one settlement": Told(
        "mixes two contracts", BANK, {("contract", 1): all_of(put(2, value=None), put(4, value=1))}
    ),
    "versions the other way round": Told(
        "lists contract versions out of their order", BANK, {("settlement", 0): edit(4, to=lambda old: old[::-1])}
    ),
    "another community's contract": Told("is of another community", BANK, {("contract", 1): put(5, value="elsewhere")}),
    "another contract from February on": Told(
        "follows a settlement of another contract",
        BANK,
        {
            ("contract", 1): all_of(put(2, value=None), put(4, value=1)),
            ("settlement", 0): edit(4, to=lambda old: old[:1]),
            ("settlement", 1): edit(4, to=lambda old: old[1:]),
        },
    ),
    "a version forgotten from February on": Told(
        "leaves out a contract version that the settlement before it applied",
        BANK,
        {("settlement", 1): edit(4, to=lambda old: old[:1])},
    ),
    "a version without the one before": Told(
        "applies a contract whose version before is not in the file",
        BANK,
        {("settlement", n): edit(4, to=lambda old: old[1:]) for n in range(2)},
        then=without((LogType.CONTRACT, 0)),
    ),
    "a version with the number of the one before": Told(
        "does not come after the one before", BANK, more=third_version, order=early
    ),
    "a draft that prices": Told("is a draft and prices nothing", BANK, {("contract", 1): put(8, value="draft")}),
    "a contract by a stranger": Told(
        "which is no party's key in force then", BANK, signers={("contract", 0): ed25519("stranger")}
    ),
}

CHAINS: dict[str, Told] = {
    "two batches of one number": Told("the gateway's chain was forked", BANK, {("batch", 2): put(3, value=2)}),
    "another description": Told(
        "was settled under a description that is not in the file", BANK, {("leaf 5", 0): put(6, value=h32("other"))}
    ),
    "another key record": Told(
        "was settled under a key record that is not in the file", BANK, {("leaf 5", 0): put(7, value=h32("other"))}
    ),
    "a batch for another log": Told("was meant for another log", BANK, {("batch", 0): other(12)}),
    "a batch that follows another": Told("one of them was exchanged", ANNA, {("batch", 1): other(4)}),
    "a first batch that follows something": Told("does not begin its gateway's chain", ANNA, {("batch", 0): other(4)}),
    "a description that follows nothing": Told(
        "and the others of its channel do not form one chain", BANK, {("descriptor", 0): put(2, value=h32("before"))}
    ),
    "a decision that does not follow the one before": Told(
        "does not follow the decision before it", BANK, more=decisions
    ),
    "a head after the settlement": Told(
        "was logged after the settlement that covers it",
        BANK,
        order=after(("batch", 3), ("settlement", 0)),
    ),
    "a batch that no settlement covers": Told("skips or repeats batches", BANK, {("leaf 5", 2): add(5, 0, 1)}),
    "a gateway that goes back to an earlier epoch": Told(
        "goes back to an earlier epoch of its gateway",
        BANK,
        {("batch", 5): put(2, value=2), ("leaf 5", 0): put(5, 0, 0, value=2)},
    ),
    "a record of another log's setting back": Told(
        "is of another log than the one in your policy", BANK, more=set_back(log=b"else")
    ),
    "a record at another place of the log": Told("not after the entries it keeps", BANK, more=set_back(size=3)),
    "a record by one of two keys": Told(
        "is signed by 1 of 2 community keys",
        BANK,
        more=set_back(w.WITNESSES[0]),
        policy=lambda policy: replace(
            policy,
            roots=tuple(public_key_of(one) for one in w.WITNESSES[:2]),
            roots_needed=2,
            keys=(OperatorKey(public_key_of(w.ROOT), frozenset({"key-event", "descriptor"})),),
        ),
    ),
    "an echo of another log": Told("echoes another log than the one in your policy", BANK, {("batch", 5): other(9, 0)}),
    "an echo of an empty log that was not": Told(
        "echoes an empty log that is not empty",
        BANK,
        {("batch", 5): put(9, 1, value=0)},
        then=lambda file: replace(file, proofs=()),
    ),
}

KEYS: dict[str, Told] = {
    "an object elsewhere in the log": Told(
        "is not in the log at place 0", BANK, then=one_object(0, lambda one: replace(one, path=()))
    ),
    "a witness whom nobody named": Told(
        "whom your policy does not name as a witness",
        BANK,
        then=lambda file: replace(file, note=add_cosignature(file.note, "stranger", ed25519("stranger"), 1)),
    ),
    "a batch of another gateway's key": Told(
        "which is not this gateway's key there", BANK, signers={("batch", 0): p256("machine 2 anew")}
    ),
    "a signature with another bit": Told(
        "has a signature that does not fit",
        BANK,
        then=one_object(-1, lambda one: replace(one, envelope=near(one.envelope, len(one.envelope) - 1))),
    ),
    "a key that is none": Told("hold a key that must not be used", BANK, {("key-event", 1): put(5, value=bytes(44))}),
    "a description that cannot be read": Told("cannot be read", BANK, {("descriptor", 0): put(7, value=5)}),
    "a key record by one of two community keys": Told(
        "is signed by 1 of 2 community keys",
        BANK,
        policy=lambda policy: replace(policy, roots=(*policy.roots, public_key_of(w.WITNESSES[0])), roots_needed=2),
    ),
    "a first key record that follows something": Told(
        "do not form one chain", BANK, {("key-event", 0): put(3, value=h32("before"))}
    ),
    "a key revoked that was never given": Told(
        "revoke a key they never gave",
        BANK,
        more=key_record(ed25519("stranger"), action=KeyAction.REVOKE, revoked_from=9),
    ),
    "a gateway's key that ends at a place of the log": Told(
        "end a key in another measure than it began",
        BANK,
        more=key_record(p256("machine 1 anew"), 5, action=KeyAction.ROTATE, valid_from=40),
    ),
    "a kind of object that no file holds": Told("which an evidence file does not hold", BANK, then=a_command),
    "a witness of another checkpoint": Told("did not sign this checkpoint", BANK, then=witnessed_elsewhere),
}

PIECES: dict[str, Told] = {
    "a part that cannot be read": Told("cannot be read", BANK, {("leaf 11", 0): lambda _: b"\xa0"}),
    "a piece of a key record": Told("has nothing that could be opened", BANK, then=one_piece(7, object=0)),
    "a slice of no use": Told("belongs to no opened use", ANNA, then=one_piece(12, object=9_999)),
    "a leaf of a whole tree left out": Told("is not among them", BANK, then=then(bare(7), dropped(7, 1))),
    "a leaf of a whole tree changed": Told(
        "are not what the settlement commits to", BANK, then=then(bare(7), one_piece(7, salt=fixed("other", 16)))
    ),
    "a part under another name": Told("is not named as a part", BANK, then=one_piece(11, key=5)),
    "a part that the batch does not have": Told(
        "does not exist: the batch signed 8", BANK, then=one_piece(11, index=8)
    ),
    "an erased part with a salt": Told("is said to be erased but has a salt", BANK, then=one_piece(11, data=b"")),
    "a place under another name": Told("is not named as the user of an asset", ANNA, then=one_piece(16, key=11)),
    "a place of no asset": Told("belongs to no asset", ANNA, then=one_piece(16, index=2)),
    "a leaf of no tree": Told("where a settlement has no tree", BANK, then=one_piece(7, key=6)),
    "a slice of a use without slices": Told(
        "belongs to a use without slices",
        ANNA,
        then=lambda file: replace(
            file,
            pieces=(
                *file.pieces,
                replace(
                    file.pieces[0],
                    key=SLICE_KEY,
                    index=0,
                    object=len(file.objects) + next(n for n, p in enumerate(file.pieces) if p.key == 7),
                ),
            ),
        ),
    ),
}

COUNTS: dict[str, Told] = {
    "a counter under another key": Told("but does not commit to it", BANK, {("leaf 12", 0): other(0)}),
    "a part under another description": Told(
        "was measured under a description that is not in the file", BANK, {("leaf 11", 0): put(1, value=h32("other"))}
    ),
    "a use up to another count": Told("was settled up to count", ANNA, {("leaf 7", 1): add(3, 1)}),
    "a use of a channel that nothing describes": Told(
        "but no description of it is in the file", ANNA, {("leaf 7", 0): put(0, value=h32("channel"))}
    ),
    "a version that is not listed": Told(
        "applies a contract version that the settlement does not list", BANK, {("leaf 7", 0): put(6, value=9)}
    ),
    "a unit that the contract cannot price": Told(
        "does not fit the contract", BANK, {("descriptor", 0): put(7, value="kWh")}
    ),
    "clock offsets from later on": Told(
        "does not record the clock offsets of its first use", BANK, {("settlement", 0): add(11, 0, 0, n=w.DAY * 3)}
    ),
    "a share for fewer": Told(
        "shares its fee among others than the contract names",
        BANK,
        {("leaf 7", 0): edit(10, to=lambda old: [[0, old[0][1] + old[2][1]], old[1]])},
    ),
    "another counter of the split": Told(
        "moves another counter of the split than the contract says", BANK, {("leaf 7", 0): other(9, 1, 0)}
    ),
    "a use with fewer counters": Told(
        "this use may be another payer's", ANNA, {("leaf 7", 0): edit(9, to=lambda old: old[:1])}
    ),
    "an own counter that begins elsewhere": Told(
        "counter begins at 1, the settlement before left it at 0", ANNA, {("leaf 12", 0): all_of(add(2), add(3))}
    ),
    "a span closed that was not open": Told(
        "is closed, but was not open before", BANK, {("leaf 5", 0): put(9, value=[[5, h32("decision")]])}
    ),
    "a use after the end of the period": Told(
        "ended after the settlement's period", BANK, {("settlement", 1): edit(3, to=lambda old: [old[0], old[0] + 1])}
    ),
    "a channel covered twice": Told(
        "covers one channel twice", BANK, {("leaf 5", 1): lambda _: BANK().target(BANK().find("leaf 5"))[1]}
    ),
    "a use of a channel that is not covered": Told(
        "does not cover its channel", BANK, {("leaf 7", 3): put(0, value=h32("channel")), ("leaf 5", 1): add(4, n=-1)}
    ),
    "a use number skipped between two months": Told("but the one before ended at use", BANK, {("leaf 5", 2): add(3)}),
    "an open span that moves": Told(
        "to where it was not",
        BANK,
        {
            ("leaf 5", 0): all_of(add(2, n=2), edit(8, to=lambda old: [*old, [7, 1, 2, 4, 3, 3]])),
            ("leaf 5", 2): all_of(add(1, n=2), put(8, value=[[7, 1, 2, 5, 3, 3]])),
        },
    ),
    "a counter that stands there twice": Told(
        "lists one counter twice",
        BANK,
        {("leaf 12", 1): lambda data: BANK().target(BANK().find("leaf 12"))[1]},
    ),
    "a counter of somebody else": Told("opens a counter that is not yours", ANNA, then=with_another_counter),
    "an event signed twice": Told("of a channel a second time", BANK, {("leaf 11", 2): put(4, 0, 0, value=2)}),
    "a use that the gateway signed and nobody billed": Told(
        "but no settlement in the file bills it",
        BANK,
        {("leaf 11", 0): put(4, 0, 6, value=99)},
        then=shown(lambda pieces: [*pieces, replace(_part(pieces), index=1, salt=bytes(16), data=ERASED)]),
    ),
    "a use signed after it was billed": Told(
        "which bills it",
        BANK,
        {("batch", 5): put(9, value=None)},
        order=after(("batch", 0), ("settlement", 0)),
        then=lambda file: replace(file, proofs=()),
    ),
    "an abort that costs": Told(
        "was aborted, and is billed all the same",
        BANK,
        {("leaf 7", 3): all_of(put(8, value=1), put(10, 0, 1, value=1))},
    ),
    "a use from before it began": Told(
        "was settled from count 0, the gateway signed 1", ANNA, {("leaf 7", 1): put(3, 0, value=0)}
    ),
    "a meter's signature without a record": Told(
        "and the gateway signed no record's hash",
        BANK,
        {
            ("descriptor", 0): put(13, value=p256("meter").spki),
            ("descriptor", 1): put(13, value=p256("meter").spki),
            ("leaf 7", 0): put(11, value=3),
        },
    ),
    "a use of a batch that is not covered": Told(
        "which the settlement does not cover",
        BANK,
        {("leaf 5", 1): head_of_batch_1, ("leaf 5", 3): put(5, 0, 1, value=3)},
    ),
    "an asset that the contract does not price": Told(
        "does not price", BANK, {("descriptor", 1): put(11, value="washer-9")}
    ),
    "a total that no price can be of": Told(
        "cannot be priced again",
        ANNA,
        {
            ("leaf 7", -1): put(3, 1, value=2**62),
            ("leaf 11", -1): put(4, 0, 5, value=2**62),
        },
    ),
    "a use before the contract was in force": Told(
        "when no version of the contract was in force",
        BANK,
        {("leaf 7", 0): add(2, 0, n=-w.DAY * 3), ("settlement", 0): add(11, 0, 0, n=-w.DAY * 3)},
    ),
    "a use in shadow under a live contract": Told(
        "is shadow under a contract that is live", BANK, {("leaf 7", 3): put(4, value=int(UseKind.SHADOW))}
    ),
    "a use that is called a test, so that it costs nothing": Told(
        "is test under a contract that is live",
        BANK,
        {
            ("leaf 7", 0): all_of(
                put(4, value=int(UseKind.TEST)),
                put(8, value=0),
                put(9, value=[]),
                put(10, value=[[0, 0], [1, 0], [2, 0]]),
            )
        },
    ),
    "a test that moves money": Told(
        "is not live, but moves money",
        BANK,
        {
            ("leaf 7", 0): all_of(
                put(4, value=int(UseKind.TEST)), put(8, value=0), put(10, value=[[0, 1], [1, -1], [2, 0]])
            )
        },
    ),
}

STATEMENTS: dict[str, Told] = {
    "two statements": Told(
        "holds two statements of your party", two_statements, {("leaf 10", -1): put(2, value=w.BANK)}
    ),
    "no statement": Told("comes without your statement", BANK, then=dropped(10)),
    "a second statement that names none before": Told(
        "does not name the one before it", BANK, {("leaf 10", 1): put(3, value=None)}
    ),
    "a first statement that begins with something": Told(
        "is your first, but begins with 7 nano", BANK, {("leaf 10", 0): all_of(add(4, n=7), add(6, n=7))}
    ),
    "a first statement that follows another": Told(
        "follows one that is not in the file", BANK, {("leaf 10", 0): put(3, value=h32("before"))}
    ),
    "a payment of nothing": Told("has a payment of nothing", BANK, {("leaf 10", 0): a_line(LineKind.PAYMENT)}),
    "a correction of nothing": Told("has a correction of nothing", BANK, {("leaf 10", 0): a_line(LineKind.CORRECTION)}),
}

METERED: dict[str, Told] = {
    "a slice that ends later": Told("the gateway counted", PAYER, {("slice", 3): add(1)}),
    "readings at a better level": Told("the keys of its gateway allow 1", LENDER, {("leaf 7", 0): add(11)}),
    "a price counter over another month": Told("counts over another period", LENDER, {("leaf 12", 1): add(1, 1)}),
    "readings of the night priced as those of the day": Told(
        "was priced as 'night', 'day' was settled", PAYER, {("leaf 7", -1): put(7, value="day")}
    ),
    "readings that begin earlier": Told(
        "does not span what its readings span", PAYER, {("leaf 7", 0): add(2, 0, n=-1)}
    ),
    "a slice left out": Told("is made of slices, and slice", PAYER, then=dropped(SLICE_KEY, -1)),
    "a slice with no counters": Told(
        "has a slice with other counters than the use", PAYER, {("slice", 0): put(6, value=[])}
    ),
    "a slice of more": Told("has slices of another sum", PAYER, {("leaf 7", 0): add(3, 1), ("leaf 5", 0): add(2)}),
    "readings before the contract was in force": Told(
        "was priced when no version of the contract was in force", PAYER, {("contract", 0): add(13, n=w.DAY)}
    ),
    "no reading in the file": Told(
        "is billed by its readings, and none of them is in the file",
        PAYER,
        then=shown(
            lambda pieces: [replace(p, salt=bytes(16), data=ERASED) if p.key == PART_KEY else p for p in pieces]
        ),
    ),
    "more intervals than anybody checks": Told(
        "over more intervals than can be checked at once", PAYER, {("slice", -1): add(1, n=10**15)}
    ),
    "a slice under another salt": Told(
        "is not what the settlement commits to", PAYER, then=one_piece(SLICE_KEY, -1, salt=fixed("other", 16))
    ),
    "a curve for the lender": Told("is a curve, which only its payer may see", LENDER, then=a_curve),
    "a counter that nothing commits to": Told(
        "but the settlement does not commit to it", LENDER, {("leaf 12", 0): other(0)}
    ),
    "a band that the contract lacks": Told("which the contract lacks", LENDER, {("leaf 7", 0): put(7, value="dusk")}),
    "a flat price that is another": Told("by the contract", ELENA, {("leaf 7", -1): all_of(add(8), add(10, 0, 1))}),
    "a share that is another": Told(
        "is shared otherwise than the contract says",
        ELENA,
        {("leaf 7", 0): all_of(add(10, 0, 1, n=10**6), add(10, 1, 1, n=-(10**6)))},
    ),
    "a tier's counter that moves otherwise": Told("but the counter moved otherwise", LENDER, {("leaf 12", 1): add(3)}),
}

LATER: dict[str, Told] = {
    "a correction to more counts": Told(
        "has another time or count than the line that it corrects", partial(late, w.BANK), {correction: add(3, 1)}
    ),
    "a correction to another time": Told(
        "has another time or count than the line that it corrects", partial(late, w.ANNA), {correction: add(2, 0, n=-1)}
    ),
    "a correction to another programme": Told(
        "was settled as None, and is corrected to '30'",
        partial(late, w.BANK),
        {partial(correction, nth=1): put(7, value="30")},
    ),
    "a correction to a better level": Told(
        "claims a better evidence level than the line", partial(late, w.BANK), {correction: add(11)}
    ),
    "one line corrected twice": Told(
        "corrects one line twice",
        partial(late, w.BANK),
        {partial(correction, nth=1): edit(13, 1, to=lambda _: corrected_leaf(late(w.BANK)))},
    ),
    "a correction of another line": Told(
        "corrects the line of another use",
        partial(late, w.BANK),
        {correction: edit(13, 1, to=lambda old: (old + 1) % 3)},
    ),
    "an old line with fewer counters": Told(
        "moves other counters than the contract says",
        partial(late, w.ANNA),
        {("settlement", 0): put(2, value=h32("before")), corrected: edit(9, to=lambda old: old[:1])},
        then=only_corrected,
    ),
    "an old line whose reversal is forgotten": Told(
        "was reversed, and a later settlement brings it back",
        partial(late, w.ANNA),
        {
            ("settlement", 0): put(2, value=h32("before")),
            corrected: all_of(free, put(9, value=[]), put(14, value=[h32("decision")])),
        },
        then=only_corrected,
    ),
    "a decision that is not shown": Told(
        "is closed by a decision that is not in the file", waived, then=without((LogType.COMMAND, 0))
    ),
    "a decision about another span": Told(
        "is closed by a decision about something else", waived, {("resolution", 0): add(4)}
    ),
    "another payer's minimum": Told(
        "is another payer's", partial(minimum, w.ANNA), {is_of_nothing: edit(0, to=lambda old: near(old, 31))}
    ),
    "readings cut otherwise when they are corrected": Told(
        "corrects readings by cutting them otherwise than before",
        PAYER,
        {("leaf 7", 0): put(13, value=[h32("before"), 0, 1])},
        then=dropped(5),
    ),
    "a slice reversed twice": Told(
        "is reversed twice", PAYER, {TIER: naming(twice)}, more=lambda _: twice(), order=early
    ),
    "a slice that a decision names otherwise": Told(
        "is reversed otherwise than its decisions say",
        PAYER,
        {TIER: naming(misnamed)},
        more=lambda _: misnamed(),
        order=early,
    ),
    "more reversed than was counted": Told(
        "was reversed by decisions about more than it counted",
        LENDER,
        {TIER: naming(of_more)},
        more=lambda _: of_more(),
        order=early,
    ),
    "readings whose total falls": Told(
        "its readings cannot be cut again", PAYER, {("leaf 11", 1): add(2, 0, 4, n=-5_000)}
    ),
    "slices of two prices in one use": Told("joins readings of different prices, bands or periods", PAYER, exchanged),
}
