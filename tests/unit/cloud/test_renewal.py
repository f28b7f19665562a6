"""Renewal and revocation of gateways: the proof key alone opens the door, and a revoked gateway finds it shut."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from sqlalchemy import Connection, update
from support.books import T0, Books, open_books
from support.uploads import SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.errors import CloudError
from tallystick_cloud.gateways.enrol import open_request
from tallystick_cloud.gateways.renew import renew
from tallystick_cloud.gateways.store import revoked_serials
from tallystick_protocol.codes import Reason, ReceiptStatus
from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.errors import ProtocolError

LATER = datetime.now(UTC) + timedelta(days=400)  # the certificate of enrolment ran out long ago


@pytest.fixture
def books() -> Iterator[Books]:
    found = open_books()
    yield found
    found.database.close()


def renewed(books: Books, gid: bytes, request: bytes) -> EnrolAnswer:
    opened = open_request(request)
    return EnrolAnswer.decode(books.database.write_now(renew, books.aggregator, gid, opened, T0, LATER))


def refused(books: Books, gid: bytes, request: bytes) -> str:
    before = books.dump()
    with pytest.raises((CloudError, ProtocolError)) as error:
        renewed(books, gid, request)
    assert books.dump() == before
    return str(error.value)


def revoke(books: Books, gateway: SimGateway) -> None:
    def run(conn: Connection) -> None:
        conn.execute(update(schema.gateway).where(schema.gateway.c.gid == gateway.gid).values(state="revoked"))

    books.database.write_now(run)


def test_gateway_whose_certificate_ran_out_gets_another_by_its_proof_key(books: Books) -> None:
    gateway = SimGateway("cellar")
    first = books.enrol(gateway, "cellar")
    answer = renewed(books, gateway.gid, gateway.enrol_request(""))
    certificate = x509.load_pem_x509_certificate(answer.certificate_pem)
    assert certificate.not_valid_after_utc > LATER + timedelta(days=89)
    assert gateway.gid.hex() in certificate.subject.rfc4514_string()
    assert (answer.gid, answer.keys) == (first.gid, first.keys)
    held = {int.from_bytes(row["serial"], "big") for row in books.rows(schema.gateway_certificate)}
    assert held == {x509.load_pem_x509_certificate(one.certificate_pem).serial_number for one in (first, answer)}


def test_revocation_list_names_the_older_certificates_too(books: Books) -> None:
    gateway = SimGateway("cellar")
    first = books.enrol(gateway, "cellar")
    answer = renewed(books, gateway.gid, gateway.enrol_request(""))
    assert books.database.read_now(revoked_serials) == []
    revoke(books, gateway)
    held = [x509.load_pem_x509_certificate(one.certificate_pem).serial_number for one in (first, answer)]
    assert books.database.read_now(revoked_serials) == sorted(held)


def test_renewal_is_for_the_key_that_is_enrolled_and_needs_no_claim(books: Books) -> None:
    gateway, other = SimGateway("cellar"), SimGateway("other")
    books.enrol(gateway, "cellar")
    assert "is not the key of the gateway in the path" in refused(books, gateway.gid, other.enrol_request(""))
    assert "is not enrolled here" in refused(books, other.gid, other.enrol_request(""))
    assert "a renewal needs none" in refused(books, gateway.gid, gateway.enrol_request("ABCD"))
    assert "csr" in refused(books, gateway.gid, gateway.enrol_request_with("", b"rubbish"))


def test_revoked_gateway_gets_nothing_by_any_door(books: Books) -> None:
    gateway = SimGateway("cellar")
    claim = books.founded.claims["cellar"]
    books.enrol(gateway, "cellar")
    revoke(books, gateway)
    assert "is revoked" in refused(books, gateway.gid, gateway.enrol_request(""))
    before = books.dump()
    with pytest.raises(CloudError, match="is revoked"):
        books.hello(gateway)
    with pytest.raises(CloudError, match="is revoked"):
        books.run(_enrol_again, gateway.enrol_request(claim), books)
    outcome = books.send(gateway, gateway.seal(wash(2, 1, 1, 1, T0, T0 + 60_000)))
    assert (outcome.receipt.status, outcome.receipt.reason) == (ReceiptStatus.KEY_UNKNOWN, Reason.KEY_REVOKED)
    assert books.dump() == before


def _enrol_again(conn: Connection, request: bytes, books: Books) -> None:
    from tallystick_cloud.gateways.enrol import enrol

    enrol(conn, books.aggregator, request, T0, datetime.now(UTC))
