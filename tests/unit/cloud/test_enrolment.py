"""Claims and enrolment: used once, for one site, by the key that signed; a refusal changes nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.books import DAY, HOUR, T0, Books, open_books
from support.uploads import Randomness, SimGateway
from tallystick_cloud import schema
from tallystick_cloud.assets.model import NewSite, Plan
from tallystick_cloud.assets.store import insert_site, plan_of
from tallystick_cloud.errors import CloudError, NotFound
from tallystick_cloud.gateways import claims
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.gateways.records import descriptor
from tallystick_cloud.gateways.revoke import revoke
from tallystick_protocol import cose
from tallystick_protocol.enrol import EnrolAnswer, EnrolRequest
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.hello import State
from tallystick_protocol.ids import channel_hash
from tallystick_protocol.keys import Ed25519Signer, PublicKey
from tallystick_protocol.records import Descriptor, KeyEvent


@pytest.fixture
def books() -> Iterator[Books]:
    found = open_books()
    yield found
    found.database.close()


def refused(books: Books, request: bytes, now_ms: int = T0) -> str:
    """The refusal's words; the books must be as before."""
    before = books.dump()
    with pytest.raises((CloudError, ProtocolError)) as error:
        books.database.write_now(enrol, books.aggregator, request, now_ms, datetime.now(UTC))
    assert books.dump() == before
    return str(error.value)


def key_for(answer: EnrolAnswer, kind: str) -> PublicKey:
    return next(PublicKey.from_spki(grant.spki) for grant in answer.keys if kind in grant.may)


def test_answer_holds_all_that_a_gateway_needs_offline(books: Books) -> None:
    gateway = SimGateway("cellar")
    answer = books.enrol(gateway, "cellar")
    root = key_for(answer, "descriptor")
    opened = [cose.open_envelope(one, cose.ContentType.DESCRIPTOR, lambda _: root) for one in answer.descriptors]
    described = [Descriptor.decode(one.payload) for one in opened]
    assert [(one.channel, one.asset, one.unit) for one in described] == [(1, "flat", "Wh"), (2, "washer", "cycle")]
    state = State.decode(
        cose.open_envelope(answer.state, cose.ContentType.STATE, lambda _: key_for(answer, "state")).payload
    )
    assert (state.epoch, state.next, state.head) == (1, 1, gateway.prev)
    assert {one.channel for one in state.channels} == {1, 2}
    assert answer.log_origin == "log.example/lindenhof"


def test_key_event_and_descriptors_are_logged(books: Books) -> None:
    gateway = SimGateway("cellar")
    before = len(books.rows(schema.log_leaf))
    books.enrol(gateway, "cellar")
    assert len(books.rows(schema.log_leaf)) == before + 3
    event = next(row for row in books.rows(schema.key_event) if row["subject"] == gateway.gid)
    said = KeyEvent.decode(cose.parse(event["envelope"]).payload)  # type: ignore[arg-type]
    assert (said.spki, said.valid_from, said.may) == (gateway.signer.spki, (1, 1), ("batch", "hello"))
    hashes = {row["channel_hash"] for row in books.rows(schema.channel)}
    assert hashes == {channel_hash(gateway.gid, 1), channel_hash(gateway.gid, 2)}


def test_claim_is_stored_only_as_its_hash(books: Books) -> None:
    claim = books.founded.claims["cellar"]
    assert claim not in repr(books.rows(schema.claim))


def test_used_claim_lets_nobody_else_in(books: Books) -> None:
    books.enrol(SimGateway("cellar"), "cellar")
    request = SimGateway("other").enrol_request(books.founded.claims["cellar"])
    assert "was used by another gateway" in refused(books, request)


def test_lost_answer_is_given_again_to_the_same_key(books: Books) -> None:
    gateway = SimGateway("cellar")
    first = books.enrol(gateway, "cellar")
    again = books.enrol(gateway, "cellar", T0 + HOUR)
    assert again.gid == first.gid
    assert again.certificate_pem != first.certificate_pem
    assert len(books.rows(schema.gateway)) == 1


def test_expired_claim_is_refused(books: Books) -> None:
    request = SimGateway("cellar").enrol_request(books.founded.claims["cellar"])
    assert "has expired" in refused(books, request, T0 + 14 * DAY)


def test_unknown_claim_is_refused_without_a_hint(books: Books) -> None:
    from tallystick_protocol.claim import new_claim

    request = SimGateway("cellar").enrol_request(new_claim(bytes(16)))
    assert "is not known here" in refused(books, request)


def test_mistyped_claim_names_the_group(books: Books) -> None:
    claim = books.founded.claims["cellar"]
    groups = claim.split("-")
    groups[2] = groups[2][:3] + ("0" if groups[2][3] != "0" else "1")
    assert "group 3" in refused(books, SimGateway("cellar").enrol_request("-".join(groups)))


def test_request_signed_by_another_key_is_refused(books: Books) -> None:
    gateway, thief = SimGateway("cellar"), SimGateway("thief")
    own = EnrolRequest.decode(cose.parse(gateway.enrol_request(books.founded.claims["cellar"])).payload)
    forged = cose.sign(thief.signer, cose.ContentType.ENROL, own.encode())
    assert "not a key that may sign" in refused(books, forged)


def test_ed25519_proof_key_is_refused(books: Books) -> None:
    gateway = SimGateway("cellar")
    own = EnrolRequest.decode(cose.parse(gateway.enrol_request(books.founded.claims["cellar"])).payload)
    other = Ed25519Signer.generate()
    request = EnrolRequest(other.spki, own.csr, own.serial, own.storage, own.software, own.nonce, own.claim)
    assert "P-256" in refused(books, cose.sign(other, cose.ContentType.ENROL, request.encode()))


def test_bad_signing_request_does_not_burn_the_claim(books: Books) -> None:
    gateway = SimGateway("cellar")
    request = gateway.enrol_request_with(books.founded.claims["cellar"], b"rubbish")
    assert "csr" in refused(books, request)
    books.enrol(gateway, "cellar")


def test_enrolled_gateway_may_enrol_again_at_its_site_and_the_books_get_nothing_new(books: Books) -> None:
    """Its enrolment was spoilt, or the server has another address: all that it was told to do is to use a new claim."""
    gateway = SimGateway("cellar")
    first = books.enrol(gateway, "cellar")
    leaves = books.rows(schema.log_leaf)
    claim = books.database.write_now(claims.issue, "lindenhof", "cellar", Randomness("second"), T0)
    for _ in range(2):  # the first answer may get lost
        again = books.database.write_now(enrol, books.aggregator, gateway.enrol_request(claim), T0, datetime.now(UTC))
        assert EnrolAnswer.decode(again.answer).descriptors == first.descriptors
    assert books.rows(schema.log_leaf) == leaves
    assert len(books.rows(schema.gateway)) == 1
    stranger = SimGateway("stranger")
    assert "was used by another gateway" in refused(books, stranger.enrol_request(claim))


def test_enrolled_gateway_cannot_enrol_at_a_second_site_with_the_same_key(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    books.database.write_now(insert_site, "lindenhof", NewSite("attic", "Attic", None, None, None, Plan(())), T0)
    claim = books.database.write_now(claims.issue, "lindenhof", "attic", Randomness("second"), T0)
    assert "at another site already; it keeps its site" in refused(books, gateway.enrol_request(claim))


def test_a_second_gateway_at_a_site_is_told_until_one_is_revoked(books: Books) -> None:
    """A machine was exchanged and the old one came back: both read one meter, and both were billed without a word."""
    old, new = SimGateway("cellar"), SimGateway("another")
    books.enrol(old, "cellar")
    claim = books.database.write_now(claims.issue, "lindenhof", "cellar", Randomness("second"), T0)
    assert books.rows(schema.alarm) == []
    books.database.write_now(enrol, books.aggregator, new.enrol_request(claim), T0, datetime.now(UTC))
    [told] = books.rows(schema.alarm)
    assert (told["code"], told["gid"], told["cleared_ms"]) == ("second-gateway", new.gid, None)
    assert old.gid.hex() in str(told["text"])
    context = books.aggregator.of("lindenhof")
    books.database.write_now(revoke, context, Randomness("revoke"), old.gid, "Giulia", "exchanged", T0)
    assert [row["code"] for row in books.rows(schema.alarm) if row["cleared_ms"] is None] == ["gateway-revoked"]


def test_a_plan_is_described_in_the_same_words_by_books_that_were_set_back(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    first = books.database.read_now(plan_of, "lindenhof", "cellar").channels[0]
    root = books.aggregator.of("lindenhof").keys.root
    made = descriptor(root, gateway.gid, first)
    assert made.envelope in {row["envelope"] for row in books.rows(schema.descriptor)}
    others = [descriptor(root, SimGateway("other").gid, first), descriptor(root, gateway.gid, replace(first, number=9))]
    nonces = {Descriptor.decode(cose.parse(one.envelope).payload).nonce for one in (made, *others)}
    assert len(nonces) == 3


def test_claim_for_an_unknown_site_is_not_made(books: Books) -> None:
    with pytest.raises(NotFound, match="attic"):
        books.database.write_now(claims.issue, "lindenhof", "attic", Randomness("x"), T0)


def test_hello_of_a_stranger_changes_nothing(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    before = books.dump()
    with pytest.raises(CloudError, match="is not enrolled here"):
        books.hello(SimGateway("stranger"))
    thief = SimGateway("cellar", prev=gateway.prev)
    from tallystick_cloud.gateways.hello import hello

    with pytest.raises(ProtocolError):
        books.database.write_now(hello, books.aggregator, gateway.gid, thief.hello(), "https", T0)
    assert books.dump() == before


def test_state_answers_the_nonce_of_this_hello(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    first, second = books.hello(gateway), books.hello(gateway)
    assert first.hello_nonce is not None
    assert first.hello_nonce != second.hello_nonce
