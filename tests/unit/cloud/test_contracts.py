"""Contracts by signatures: who may propose and approve, when a version is live, and that old ones stay."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support.books import DAY, T0, TOWN, Books, follows, open_books
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.contracts import service
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.contracts.store import book, openings_of
from tallystick_protocol import cose
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import P256Signer
from tallystick_protocol.money.contract import Contract, ContractState
from tallystick_protocol.money.contract_toml import Draft
from tallystick_protocol.records import Approval


@pytest.fixture
def books() -> Iterator[Books]:
    found = open_books(town=TOWN.replace('[[contract]]\nfile = "energy.toml"\nstate = "live"\n', ""))
    yield found
    found.database.close()


def party(books: Books, name: str) -> PartyId:
    return PartyId(next(row["id"] for row in books.rows(schema.party) if row["name"] == name))  # type: ignore[arg-type]


def first(books: Books) -> tuple[bytes, Contract]:
    (row,) = books.rows(schema.contract_version)
    return row["h"], Contract.decode(row["payload"])  # type: ignore[arg-type,return-value]


def versions(books: Books) -> list[tuple[bytes, Contract]]:
    return [(row["h"], Contract.decode(row["payload"])) for row in books.rows(schema.contract_version)]  # type: ignore[arg-type,misc]


def second(books: Books, **changes: object) -> Draft:
    return follows(books, *first(books), **{"effective_from_ms": T0 + DAY, **changes})


def propose(books: Books, draft: Draft, name: str = "Coop", signer: P256Signer | None = None) -> service.Standing:
    key = signer or books.founded.hosted[party(books, name)]
    envelope = cose.sign(key, cose.ContentType.CONTRACT, draft.contract.encode())
    context = books.aggregator.of("lindenhof")
    return books.database.write_now(service.propose, context, envelope, T0, draft.openings)


def approve(books: Books, h: bytes, name: str, yes: bool = True, claims: str | None = None) -> service.Standing:
    said = Approval(Randomness(name).bytes(16), H32(h), party(books, claims or name), yes)
    envelope = cose.sign(books.founded.hosted[party(books, name)], cose.ContentType.APPROVAL, said.encode())
    return books.database.write_now(service.approve, books.aggregator.of("lindenhof"), envelope, T0)


OTHERS = ("Repairer", "Bank", "Fund")


def test_version_is_a_draft_until_the_last_party_says_yes(books: Books) -> None:
    standing = propose(books, second(books))
    assert standing.state is ContractState.DRAFT
    for name in OTHERS:
        assert standing.state is ContractState.DRAFT
        standing = approve(books, standing.h, name)
    assert (standing.state, standing.missing) == (ContractState.LIVE, ())
    found = books.database.read_now(book, "lindenhof").of_channel("washer", "cycles")
    assert found.at(T0 + DAY - 1).version.h == first_of(books)  # type: ignore[union-attr]
    assert found.at(T0 + DAY).version.h == standing.h  # type: ignore[union-attr]


def first_of(books: Books) -> bytes:
    return next(row["h"] for row in books.rows(schema.contract_version) if row["version"] == 1)  # type: ignore[return-value]


def test_one_no_keeps_it_a_draft(books: Books) -> None:
    standing = propose(books, second(books))
    for name in OTHERS[:-1]:
        approve(books, standing.h, name)
    assert approve(books, standing.h, "Fund", yes=False).state is ContractState.DRAFT


def test_shadow_needs_nobodys_yes_while_nothing_was_live(books: Books) -> None:
    shadow = open_books(
        town=TOWN.replace('file = "washes.toml"\nstate = "live"', 'file = "washes.toml"\nstate = "shadow"')
    )
    h, contract = next((h, c) for h, c in versions(shadow) if c.name == "Washes")
    again = follows(shadow, h, contract, effective_from_ms=T0 + DAY, state=ContractState.SHADOW)
    assert propose(shadow, again).state is ContractState.SHADOW
    shadow.database.close()


def test_one_party_alone_cannot_put_a_live_contract_into_shadow(books: Books) -> None:
    """Or whoever owes money would stop owing it by a signature of their own."""
    standing = propose(books, second(books, state=ContractState.SHADOW))
    found = books.database.read_now(book, "lindenhof").of_channel("washer", "cycles")
    assert (standing.state, len(standing.missing)) == (ContractState.DRAFT, 3)
    assert found.at(T0 + 2 * DAY).version.live  # type: ignore[union-attr]
    for name in OTHERS:
        standing = approve(books, standing.h, name)
    assert standing.state is ContractState.SHADOW


def test_proposing_and_approving_twice_changes_nothing(books: Books) -> None:
    contract = second(books)
    standing = propose(books, contract)
    approve(books, standing.h, "Fund")
    before = books.dump()
    propose(books, contract)
    approve(books, standing.h, "Fund")
    with pytest.raises(ContractRefused, match="an answer stays"):
        approve(books, standing.h, "Fund", yes=False)
    assert books.dump() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"community": "elsewhere"}, "contract.community"),
        ({"prev": H32(bytes(32))}, "is not a version here"),
        ({"version": 3}, "not the newest version"),
    ],
)
def test_version_that_does_not_follow_is_refused(books: Books, changes: dict[str, object], words: str) -> None:
    before_contract = second(books, **changes)
    before = books.dump()
    with pytest.raises(ContractRefused, match=words):
        propose(books, before_contract)
    assert books.dump() == before


def without_openings(draft: Draft) -> Draft:
    return replace(draft, openings=())


def bent_opening(draft: Draft) -> Draft:
    (one,) = draft.openings
    return replace(draft, openings=(replace(one, salt=b"s" * 16),))


def opening_too_many(draft: Draft) -> Draft:
    (one,) = draft.openings
    return replace(draft, openings=(one, replace(one, asset="flat")))


def opening_twice(draft: Draft) -> Draft:
    return replace(draft, openings=draft.openings * 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (opening_twice, "openings: hold one twice"),
        (without_openings, r"contract\.assets\[0\]\.user: is a commitment that nothing opens"),
        (bent_opening, r"contract\.assets\[0\]\.user: is a commitment that nothing opens"),
        (opening_too_many, "name flat, cycles, which the contract does not price"),
    ],
)
def test_a_version_whose_users_nobody_knows_is_refused(
    books: Books, change: Callable[[Draft], Draft], words: str
) -> None:
    draft = change(second(books))
    before = books.dump()
    with pytest.raises(ContractRefused, match=words):
        propose(books, draft)
    assert books.dump() == before


def test_a_version_with_the_commitments_of_the_one_before_is_refused(books: Books) -> None:
    h, contract = first(books)
    openings = books.database.read_now(openings_of, books.community)[h]
    same = Draft(replace(second(books).contract, assets=contract.assets), openings)
    with pytest.raises(ContractRefused, match="is the commitment of the version before"):
        propose(books, same)


def test_a_user_accepts_once_in_private_and_nobody_else_can(books: Books) -> None:
    standing = propose(books, second(books))
    context, anna = books.aggregator.of("lindenhof"), party(books, "Anna")
    log = books.rows(schema.log_leaf)
    terms = books.database.write_now(service.accept, context, standing.h, anna, T0 + 5)
    assert terms == books.database.write_now(service.accept, context, standing.h, anna, T0 + 9)
    assert "Washes, version 2" in terms
    assert "to price them" in terms
    (row,) = [row for row in books.rows(schema.user_acceptance) if row["contract"] == standing.h]
    assert (row["party"], row["accepted_ms"], row["terms"]) == (anna, T0 + 5, terms)
    assert books.rows(schema.log_leaf) == log
    for stranger in ("Ben", "Bank"):
        with pytest.raises(ContractRefused, match="is no user of this contract"):
            books.database.write_now(service.accept, context, standing.h, party(books, stranger), T0)


def test_strangers_signature_is_refused(books: Books) -> None:
    before = books.dump()
    with pytest.raises(ProtocolError):
        propose(books, second(books), signer=P256Signer.generate())
    assert books.dump() == before


def test_nobody_says_yes_for_another(books: Books) -> None:
    standing = propose(books, second(books))
    before = books.dump()
    with pytest.raises(ContractRefused, match="not the one who signed"):
        approve(books, standing.h, "Bank", claims="Fund")
    with pytest.raises(ContractRefused, match="is not proposed here"):
        approve(books, bytes(32), "Bank")
    assert books.dump() == before


def test_contracts_and_approvals_are_logged(books: Books) -> None:
    before = len(books.rows(schema.log_leaf))
    standing = propose(books, second(books))
    approve(books, standing.h, "Fund")
    assert [row["type"] for row in books.rows(schema.log_leaf)][before:] == [2, 8]
