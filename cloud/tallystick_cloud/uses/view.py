"""A use in words: how its price was made, who got what, and each link of its proof.

It never computes an amount; bars and sums are those of the rating."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import FOR_MINIMUM, FOR_REBATE, FOR_STANDING, Counter, plan_of
from tallystick_protocol.money.rating import Usage

from tallystick_cloud.contracts import words
from tallystick_cloud.http.amounts import Amount, exact, widths
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.uses.model import Basis, Rating, UseView
from tallystick_cloud.uses.proof import Check, Path, Proof, Step, Verdict

BAR_WIDTH = 1_000
"""Width of the split bar: one unit is a tenth of a percent."""
COLOURS = 5


@dataclass(frozen=True, slots=True)
class SharePart:
    """A party's part of the price: from `x`, `width` wide, of BAR_WIDTH."""

    name: str
    is_reader: bool
    amount: Amount
    percent: str
    colour: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A term and what it is; `is_hash`: shown small and breakable."""

    name: str
    says: str
    is_hash: bool = False


@dataclass(frozen=True, slots=True)
class CheckView:
    """A link of the proof: `mark` is a shape of the shell."""

    title: str
    word: str
    mark: str
    says: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class RevisionView:
    """One rating of the use, the newest last."""

    number: int
    fee: Amount
    at: str
    why: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class PathView:
    """The audit path as hex."""

    leaf: int
    size: int
    steps: tuple[str, ...]


def split_parts(rating: Rating, names: Mapping[bytes, str], reader: bytes | None, w: Wording) -> tuple[SharePart, ...]:
    """Everybody who got something, in contract order; the parts fill the bar and sum to the price."""
    shown = [(party, nano) for party, nano in rating.shares if nano]
    spans = widths((nano for _, nano in shown), BAR_WIDTH)
    return tuple(
        SharePart(
            names.get(party, party.hex()[:8]), party == reader, exact(nano, w), _percent(width, w),
            number % COLOURS + 1, x, width,
        )
        for number, ((party, nano), (x, width)) in enumerate(zip(shown, spans, strict=True))
    )  # fmt: skip


def _percent(tenths: int, w: Wording) -> str:
    """Tenths of a percent, which are the parts of the bar and so sum to all of it."""
    return f"{words.decimal(Fraction(tenths, 10), w)} %"


def price_facts(use: UseView, usage: Usage, contract: Contract, chain: H32, w: Wording) -> tuple[Fact, ...]:
    """How the price was made: quantity, band, price line, counters before it."""
    _ = w.gettext
    tariff = contract.tariff
    found = [Fact(_("Metered"), _quantity(use, contract, w))] if use.is_metered else []
    plan = plan_of(contract, chain)
    index = -1 if use.aborted else plan.band(usage)
    if use.is_reversed:
        found.append(Fact(_("Price"), _("taken back: it counts as if it had never been")))
    elif use.aborted:
        found.append(Fact(_("Price"), _("ended before it was billable: free")))
    elif index == FOR_MINIMUM:
        found.append(Fact(_("Price"), _("what is missing to the minimum of the period")))
    elif index == FOR_STANDING:
        days = use.to_total - use.from_total
        found.append(Fact(_("For"), _("{n} of the {all} days of the period").format(n=days, all=plan.days(use.end_ms))))
        found.append(Fact(_("Price of the whole period"), words.standing_charge(contract, w)))
    elif index == FOR_REBATE:
        found.append(Fact(_("Price"), _("what the period's uses cost more than at the price that its volume reached")))
        found += _counters(use, plan.counters(usage, index), contract, w)
    else:
        band = tariff.bands[index]
        found.append(Fact(_("Band"), f"{band.name}: {words.when(band, w)}"))
        lines = [one for one in words.price_list(contract, w) if one.band == band.name]
        found += [Fact(_("Price"), " ".join(filter(None, (one.reach, one.price)))) for one in lines]
        found += [Fact(one.name, one.says) for one in words.extras(contract, w)]
        found += _counters(use, plan.counters(usage, index), contract, w)
    if use.gap:
        found.append(Fact(_("Note"), _("lies over a hole in the readings; the contract says how that is priced")))
    return tuple(found)


def _quantity(use: UseView, contract: Contract, w: Wording) -> str:
    return words.quantity(use.to_total - use.from_total, contract.tariff, w)


def _counters(use: UseView, counters: tuple[Counter, ...], contract: Contract, w: Wording) -> list[Fact]:
    """Where the counters stood before this use; those of the split are shown to the parties of the split."""
    _, before = w.gettext, dict(use.standing.counters)
    found = []
    for one in counters:
        if one.key not in before or (one.kind == "split" and use.basis is Basis.PAYER):
            continue
        if one.kind == "quantity":
            says = _("{quantity} used before it in the period").format(
                quantity=words.quantity(before[one.key], contract.tariff, w)
            )
        else:
            says = f"{contract.unit} {exact(before[one.key], w)}"
            if one.cap is not None:
                says += " " + _("of {cap}").format(cap=exact(one.cap, w))
        name = {"quantity": _("Counter before"), "money": _("Charged before it")}.get(one.kind)
        found.append(Fact(name or _("{counter}, before it").format(counter=words.upper_first(one.name)), says))
    return found


def what_it_is(use: UseView, w: Wording) -> str:
    """What the amount at the top of the page is, which is shown without its sign."""
    _ = w.gettext
    if use.standing.fee < 0:
        return _("you get back") if use.basis is Basis.PAYER else _("given back to who pays")
    return _("you pay") if use.basis is Basis.PAYER else _("the price of this use")


def facts(use: UseView, w: Wording, now_ms: int) -> tuple[Fact, ...]:
    """What was used, where and when."""
    _ = w.gettext
    when = f"{w.date(use.start_ms)}, {w.clock(use.start_ms)} {_('to')} {w.clock(use.end_ms)}"
    if not use.is_metered:
        when = _("when the period was closed that ended on {day}").format(day=w.date(use.end_ms - 1))
    found = [Fact(_("When"), when)]
    if use.form == "event":
        found.append(Fact(_("Use number"), w.count(use.number)))
    if use.programme:
        found.append(Fact(_("Programme"), use.programme))
    if use.gateway:
        found.append(Fact(_("Metered by"), _("{gateway}, channel {n}").format(gateway=use.gateway, n=use.channel)))
    found.append(Fact(_("Evidence level"), _(LEVELS.get(use.level, N_("unknown")))))
    return tuple(found)


def revisions(use: UseView, w: Wording, now_ms: int) -> tuple[RevisionView, ...]:
    """Every rating with its cause."""
    _ = w.gettext
    return tuple(
        RevisionView(
            one.revision,
            exact(one.fee, w),
            w.moment(one.rated_ms, now_ms),
            _why(one, use.use_id, w),
            one.cause.hex() if one.cause not in (None, use.use_id) and one.revision > 1 else None,
        )
        for one in use.ratings
    )


def _why(one: Rating, use_id: bytes, w: Wording) -> str:
    _ = w.gettext
    if one.revision == 1:
        return _("first price")
    if one.cause == use_id:
        return _("taken back")
    return _("a use before it came late or was taken back: priced again")


def checks(proof: Proof, w: Wording) -> tuple[CheckView, ...]:
    """Each link with its tick."""
    _ = w.gettext
    shapes = {
        Verdict.FITS: ("tick", _("fits")),
        Verdict.BROKEN: ("crit", _("does not fit")),
        Verdict.ABSENT: ("off", _("not needed here")),
    }
    return tuple(_check(one, *shapes[one.verdict], w) for one in proof.checks)


def _check(one: Check, mark: str, word: str, w: Wording) -> CheckView:
    _ = w.gettext
    title, says = TITLES[one.step]
    facts_shown = tuple(Fact(_(fact.label), fact.value, fact.is_hash) for fact in one.facts)
    return CheckView(_(title), word, mark, one.problem or _(says), facts_shown)


def path_view(path: Path | None) -> PathView | None:
    """The audit path for who wants to hash by hand."""
    return None if path is None else PathView(path.leaf, path.size, tuple(one.hex() for one in path.steps))


def names_of(contract: Contract) -> dict[bytes, str]:
    """Party -> name as the contract has it."""
    return {bytes(PartyId(party.id)): party.name for party in contract.parties}


LEVELS = {
    0: N_("0: computed, nothing was metered"),
    1: N_("1: signed by the gateway, key in a file"),
    2: N_("2: signed by the gateway, key in hardware"),
    3: N_("3: signed by the meter itself"),
}
TITLES: Mapping[Step, tuple[str, str]] = {
    Step.SIGNATURE: (
        N_("Signed by the gateway"),
        N_("The batch that carries the reading is signed by a key its gateway had then."),
    ),
    Step.PART: (
        N_("The reading is what was signed"),
        N_("The stored reading hashes to the value in the signed batch."),
    ),
    Step.READING: (
        N_("Metered is what is billed"),
        N_("Use, totals, programme and time in the signed reading are those of this use."),
    ),
    Step.INCLUSION: (
        N_("It stands in the log"),
        N_("From the batch, the path of hashes leads to the root of the log: nobody can take it out or add one later."),
    ),
    Step.CHECKPOINT: (N_("The log is sealed"), N_("The log's newest checkpoint is signed by the community's log key.")),
    Step.CONTRACT: (
        N_("The contract is the agreed one"),
        N_("The version that priced it is signed by a party and stands in the same log."),
    ),
    Step.PRICE: (
        N_("The price is right"),
        N_("Fee and shares, computed again just now, are the booked ones to the last digit."),
    ),
    Step.BOOKS: (N_("It is booked"), N_("Its journal sums to zero: what one owes, the others get.")),
}
