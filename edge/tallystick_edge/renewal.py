"""Keeps the TLS certificate alive: another at two thirds of its life, and also after it has run out.
It takes nothing but the certificate from the answer, and judges dates by real time, never by the demo's."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.certificate_dates import validity_dates
from tallystick_edge.claim_file import ServerInfo
from tallystick_edge.enrolment import CERTIFICATE_FILE, Enrolment, renewal_request, store_enrolment
from tallystick_edge.errors import EdgeError, EnrolmentError
from tallystick_edge.files import PUBLIC, write_whole
from tallystick_edge.identity import Identity
from tallystick_edge.ports import Entropy

LOOK_S = 3600  # real time; a certificate of 90 days has 30 of them to be renewed in
LOOK_EXPIRED_S = 60  # without a valid one nothing can be handed over
NEW_FILE = "tls.crt.new"
log = logging.getLogger("tallystick.renewal")

Post = Callable[[ServerInfo, str, bytes], Awaitable[bytes]]
"""Sends the request to {server}/v1/gateways/{gid}/certificate; raises EnrolmentError (refused) or UplinkError."""


class Renewal:
    """`context` is the one connections are made with: what is renewed counts from the next connection on."""

    def __init__(
        self,
        data: Path,
        identity: Identity,
        enrolment: Enrolment,
        context: ssl.SSLContext,
        software: str,
        entropy: Entropy,
        post: Post,
    ) -> None:
        self._data, self._identity, self._enrolment = data, identity, enrolment
        self._context, self._software, self._entropy, self._post = context, software, entropy, post

    async def run(self, now: Callable[[], datetime]) -> None:
        """Look once an hour, for ever."""
        while True:
            expired = await self.look(now())
            await asyncio.sleep(LOOK_EXPIRED_S if expired else LOOK_S)

    async def look(self, now: datetime) -> bool:
        """Renew when it is time; what fails is told and tried again. True while there is no valid certificate."""
        begin, end = validity(self._enrolment.answer.certificate_pem)
        if now < begin + (end - begin) * 2 / 3:
            return False
        try:
            await self._renew()
        except EdgeError as error:
            log.warning("certificate valid until %s was not renewed: %s", end.date(), error)
            return now >= end
        log.info("certificate renewed until %s", validity(self._enrolment.answer.certificate_pem)[1].date())
        return False

    async def _renew(self) -> None:
        request = renewal_request(self._identity, self._software, self._entropy)
        body = await self._post(self._enrolment.info, self._identity.gid.hex(), request)
        try:
            answer = EnrolAnswer.decode(body)
        except ProtocolError as error:
            raise EnrolmentError(f"the answer is no renewal ({error}). Next: check the server address") from error
        self._take(answer)

    def _take(self, answer: EnrolAnswer) -> None:
        """The new certificate replaces the old one only after it was tried with our key."""
        tried = self._data / NEW_FILE
        write_whole(tried, answer.certificate_pem, PUBLIC)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tried, self._identity.tls_key)
            self._context.load_cert_chain(tried, self._identity.tls_key)
        except (ssl.SSLError, ValueError) as error:
            raise EnrolmentError(f"the new certificate does not fit our key ({error}). Next: tell the host") from error
        finally:
            tried.unlink(missing_ok=True)
        kept = replace(self._enrolment.answer, certificate_pem=answer.certificate_pem)
        self._enrolment = replace(self._enrolment, answer=kept)
        store_enrolment(self._data, self._enrolment)
        write_whole(self._data / CERTIFICATE_FILE, answer.certificate_pem, PUBLIC)


def validity(certificate_pem: bytes) -> tuple[datetime, datetime]:
    """From when to when it is valid; raises EnrolmentError for what is no certificate."""
    try:
        return validity_dates(certificate_pem)
    except ValueError as error:
        raise EnrolmentError(f"the stored certificate is unusable ({error}). Next: enrol with a new claim") from error
