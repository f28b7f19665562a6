"""A payer's proof of a shared bill: valid as it is, refused with any one value changed, silent about the neighbours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from support.cddl import Schema
from support.cheats_page import rows_under
from support.protocol_samples import ed25519
from support.repository import ROOT
from support.shared_house import (
    CENTS,
    FLATS,
    NOW,
    PEOPLE,
    House,
    flat_text,
    house,
    open_house,
    proof_of,
    reading,
    sign,
)
from support.vector_case import plain
from tallystick_cloud import schema
from tallystick_cloud.commands.witness import begun
from tallystick_cloud.costs import proof as proofs
from tallystick_cloud.errors import NotFound
from tallystick_protocol import cose
from tallystick_protocol.cost_settlement import CostPiece, CostProof, CostSettlement
from tallystick_protocol.verify.cost import verify_cost
from tallystick_protocol.verify.report import Report
from tallystick_protocol.verify_cli import main as verify_main


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    """Its bill is posted and signed; for tests that only read."""
    found = open_house()
    found.post(house())
    sign(found)
    yield found
    found.books.database.close()


@pytest.fixture
def fresh() -> Iterator[House]:
    """The same, for one test to change."""
    found = open_house()
    found.post(house())
    sign(found)
    yield found
    found.books.database.close()


def checked(home: House, name: str) -> Report:
    proof, policy = proof_of(home, name)
    return verify_cost(proof.encode(), policy)


def figures(report: Report, step: str) -> dict[str, int]:
    return next(dict(one.figures) for one in report.checks if one.name == step)


def test_every_payer_checks_the_share_to_the_cent(home: House) -> None:
    cents = 0
    for name in PEOPLE:
        report = checked(home, name)
        assert report.verdict == "valid", report
        cents += figures(report, "money")["cents"]
    assert cents == CENTS
    words = {one.name: one.words for one in checked(home, "Anna").checks}
    assert words["key"] == "70 % by use of heat: yours 1201 of 11514; 30 % by area: yours 22812.5 of 263365.75"
    assert 'decided by "owners\' meeting of 2025-11-14, item 3"' in words["bill"]
    first = {one.split("begins with ")[1] for name in PEOPLE[:3] for one in [bill_words(home, name)]}
    assert len(first) == 1  # neighbours can tell that they were shown the same bill


def bill_words(home: House, name: str) -> str:
    return next(one.words for one in checked(home, name).checks if one.name == "bill")


def test_signing_again_changes_nothing(home: House) -> None:
    before = home.books.dump()
    sign(home)
    assert home.books.dump() == before
    assert home.books.audit() == []


def test_the_bytes_are_those_of_the_cddl(fresh: House) -> None:
    found = Schema((ROOT / "protocol" / "tallystick_protocol" / "tallystick.cddl").read_text(encoding="utf-8"))
    fresh.reverse()
    sign(fresh)
    proof, _ = proof_of(fresh, "Anna")
    assert CostProof.decode(proof.encode()) == proof
    found.validate("CostProof", proof.encode())
    found.validate("CostSettlement", cose.parse(proof.settlement.envelope).payload)


def test_a_bill_that_was_taken_back_says_so(fresh: House) -> None:
    fresh.reverse()
    sign(fresh)
    proof, policy = proof_of(fresh, "Anna")
    report = verify_cost(proof.encode(), policy)
    assert report.verdict == "valid"
    assert figures(report, "bill")["taken_back"] == 1
    other = replace(proof, reversal=proof.settlement)
    assert "is not of this bill" in verify_cost(other.encode(), policy).verdict


def test_a_log_that_was_set_back_says_so(fresh: House) -> None:
    context, entropy = fresh.books.aggregator.of(fresh.books.community), fresh.books.aggregator.entropy
    fresh.books.database.write_now(begun, context, entropy, NOW, "a test")
    proof, policy = proof_of(fresh, "Anna", NOW + 1000)
    report = verify_cost(proof.encode(), policy)
    assert (report.verdict, figures(report, "log")) == ("valid", {"set_back": 1})
    assert not verify_cost(replace(proof, continuations=()).encode(), policy).ok


def test_no_neighbours_number_flat_or_name_is_in_a_file(home: House) -> None:
    """Of the others there are sums of pieces cut by chance, and not one piece that is all of a stay's number."""
    shares = {
        bytes(row["party"]): (int(str(row["cents"])), str(row["asset"]))  # type: ignore[arg-type]
        for row in home.books.rows(schema.cost_share)
    }
    for name in PEOPLE:
        proof, _ = proof_of(home, name)
        shown = {node.sums[0] for opened in proof.pieces for node in opened.path}
        others = {cents for party, (cents, _) in shares.items() if party != home.ids[name]}
        assert not others & shown
        data = proof.encode()
        assert not [flat for flat in FLATS if flat.encode() in data and flat != shares[home.ids[name]][1]]
        assert not [one for other, one in home.ids.items() if other not in (name, "Coop") and one in data]


def test_who_does_not_share_it_gets_no_file(home: House) -> None:
    with pytest.raises(NotFound, match="is not in bill"):
        proof_of(home, "Maria")


def test_two_stays_are_two_lines_of_one_file_and_the_owner_has_the_empty_half_year() -> None:
    lives = (
        '[[flat.lives]]\nname = "Anna"\npeople = 2\nlast_day = 2025-06-30\n',
        '[[flat.lives]]\nname = "Ben"\npeople = 1\nlast_day = 2025-06-30\n'
        '[[flat.lives]]\nname = "Anna"\npeople = 3\nfirst_day = 2025-07-01\n',
    )
    head = house().split("[[flat]]", 1)[0].replace('by = "area"', 'by = "people"')
    counted = (("2025-01-01", 0), ("2025-07-01", 5), ("2026-01-01", 9))
    read = {number: "".join(reading(number, day, total) for day, total in counted) for number in range(2)}
    home = open_house()
    home.post(house(head, flats={number: flat_text(number, lives[number]) for number in range(2)}, read=read))
    sign(home)
    for name, stays in (("Anna", 2), ("Ben", 1), ("Coop", 1)):
        proof, policy = proof_of(home, name)
        assert len(proof.pieces) == 2 * stays
        assert verify_cost(proof.encode(), policy).verdict == "valid"
    home.books.database.close()


def values(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, list | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from values(item, (*at, key))
    else:
        yield at, value


def spoilt(value: Any) -> Any:
    match value:
        case bytes():
            middle = len(value) // 2
            return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
        case int():
            return value + 1
        case str():
            return value + "x"
    return 0


def test_any_one_value_changed_is_refused(home: House) -> None:
    proof, policy = proof_of(home, "Anna")
    good = cbor2.loads(proof.encode())
    for path, value in values(good):
        bad = plain(good)
        target = bad
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = spoilt(value)
        assert not verify_cost(cbor2.dumps(bad, canonical=True), policy).ok, f"{path}: {value!r} is taken"


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xa0", b"nothing"])
def test_any_bytes_get_a_report(home: House, data: bytes) -> None:
    _, policy = proof_of(home, "Anna")
    assert verify_cost(data, policy).verdict.startswith("file: cannot be checked")


# ------------------------------------------------------------ a host that lies, and signs and logs it

Leaf = tuple[bytes, CostPiece]
Lie = Callable[[CostSettlement], CostSettlement]


def of_anna(change: Callable[[CostPiece], CostPiece]) -> Callable[[Sequence[Leaf], bytes], list[Leaf]]:
    """Another leaf of hers."""

    def lie(leaves: Sequence[Leaf], anna: bytes) -> list[Leaf]:
        return [(salt, change(piece) if piece.party == anna and not piece.piece else piece) for salt, piece in leaves]

    return lie


def both_of_anna(first_day: str) -> Callable[[Sequence[Leaf], bytes], list[Leaf]]:
    """Both pieces of her stay begin then."""

    def lie(leaves: Sequence[Leaf], anna: bytes) -> list[Leaf]:
        return [(salt, replace(one, first_day=first_day) if one.party == anna else one) for salt, one in leaves]

    return lie


def more(at: int, by: int) -> Callable[[CostPiece], CostPiece]:
    return lambda piece: replace(piece, sums=tuple(n + by * (at == i) for i, n in enumerate(piece.sums)))


LIES: dict[str, tuple[Callable[[Sequence[Leaf], bytes], list[Leaf]] | None, Lie | None, str]] = {
    "two cents more for one": (of_anna(more(0, 2)), None, "its shares make"),
    "two cents more for one and on the bill": (
        of_anna(more(0, 2)),
        lambda said: replace(said, cents=said.cents + 2),
        "cents, the key says",
    ),
    "more use than the whole house's": (of_anna(more(1, 5000)), None, "cents, the key says"),
    "another key": (None, lambda said: replace(said, key=said.key[::-1]), "cents, the key says"),
    "a stay outside of the days": (both_of_anna("2024-01-01"), None, "is not in the days of the bill"),
    "two halves of different stays": (
        of_anna(lambda piece: replace(piece, flat="flat-02")),
        None,
        "has pieces of two stays",
    ),
    "a flat that nobody has": (None, lambda said: replace(said, stays=said.stays + 1), "is not under the bill's sums"),
    "a bill of another community": (None, lambda said: replace(said, community="elsewhere"), "is of another community"),
}


def test_the_page_lists_them() -> None:
    rows = [(name, f"`{reason}`") for lies in (LIES, IN_THE_FILE) for name, (*_, reason) in lies.items()]
    assert rows_under("In a shared bill") == rows


@pytest.mark.parametrize("name", LIES)
def test_a_lie_that_is_signed_and_logged_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leaf_lie, lie, reason = LIES[name]
    home = open_house()
    home.post(house())
    honest_leaves, honest = proofs._leaves, proofs._settlement

    def leaves(*args: Any) -> list[Leaf]:
        made = honest_leaves(*args)
        return made if leaf_lie is None else leaf_lie(made, home.ids["Anna"])

    def settlement(*args: Any) -> tuple[CostSettlement, list[Leaf]]:
        said, made = honest(*args)
        return (said if lie is None else lie(said)), made

    monkeypatch.setattr(proofs, "_leaves", leaves)
    monkeypatch.setattr(proofs, "_settlement", settlement)
    sign(home)
    report = checked(home, "Anna")
    assert not report.ok
    assert reason in report.verdict
    home.books.database.close()


def altered_sum(mine: CostProof, _: CostProof) -> CostProof:
    """In what is beside the way of one piece."""
    opened = mine.pieces[0]
    node = opened.path[0]
    beside = (replace(node, sums=(node.sums[0] + 1, *node.sums[1:])), *opened.path[1:])
    return replace(mine, pieces=(replace(opened, path=beside), *mine.pieces[1:]))


def signed_anew(mine: CostProof, _: CostProof) -> CostProof:
    """The same bill under another key."""
    envelope = cose.sign(ed25519("stranger"), cose.ContentType.COST, cose.parse(mine.settlement.envelope).payload)
    return replace(mine, settlement=replace(mine.settlement, envelope=envelope))


def swapped(mine: CostProof, _: CostProof) -> CostProof:
    """Each piece with the other's salt and way."""
    one, two = mine.pieces
    return replace(mine, pieces=(replace(one, piece=two.piece), replace(two, piece=one.piece)))


IN_THE_FILE: dict[str, tuple[Callable[[CostProof, CostProof], CostProof], str]] = {
    "another payer's pieces": (lambda mine, other: replace(mine, pieces=other.pieces), "is another party's"),
    "another payer's file": (lambda _, other: other, "is for another party"),
    "one half of a stay": (lambda mine, _: replace(mine, pieces=mine.pieces[:1]), "shows 1 of its 2 pieces"),
    "one half of a stay twice": (lambda mine, _: replace(mine, pieces=mine.pieces[:1] * 2), "shows one piece twice"),
    "halves in each other's place": (swapped, "is not under the bill's sums"),
    "a sum altered beside a piece": (altered_sum, "is not under the bill's sums"),
    "the bill under another key": (signed_anew, "is not in the log at place"),
    "a bill that is taken back by itself": (
        lambda mine, _: replace(mine, reversal=mine.settlement),
        "is not of this bill",
    ),
}


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_a_file_put_together_otherwise_is_refused(home: House, name: str) -> None:
    lie, reason = IN_THE_FILE[name]
    mine, policy = proof_of(home, "Anna")
    report = verify_cost(lie(mine, proof_of(home, "Ben")[0]).encode(), policy)
    assert not report.ok
    assert reason in report.verdict


def test_heads_and_per_mille_that_are_not_the_stays_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key by people and shares: both are checked without anybody else's numbers."""
    head = house().split("[[cost.key]]", 1)[0]
    head += '[[cost.key]]\nportion = "50 %"\nby = "people"\n[[cost.key]]\nportion = "50 %"\nby = "share"\n'
    for at, by, reason in ((1, 1, "by people, not"), (2, 90 * 365, "per mille, not 1000")):
        home = open_house()
        home.post(house(head))
        honest = proofs._leaves
        lie = of_anna(more(at, by))
        with monkeypatch.context() as patch:
            patch.setattr(proofs, "_leaves", lambda *args, h=honest, one=lie, who=home.ids["Anna"]: one(h(*args), who))
            sign(home)
        assert reason in checked(home, "Anna").verdict
        home.books.database.close()


def test_the_program_says_the_same(home: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof, policy = proof_of(home, "Anna")
    (tmp_path / "a.cost").write_bytes(proof.encode())
    (tmp_path / "p.json").write_text(policy.to_json())
    assert verify_main(["cost", str(tmp_path / "a.cost"), "--policy", str(tmp_path / "p.json")]) == 0
    assert "your share is" in capsys.readouterr().out
