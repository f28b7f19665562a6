"""Keeps the TLS certificate alive: another at two thirds of its life, after it has run out, and when a command asks.
It takes the certificate from the answer, and channels that are new in the site's plan; it judges dates by real time,
never by the demo's."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.certificate_dates import validity_dates
from tallystick_edge.claim_file import ServerInfo
from tallystick_edge.enrolment import (
    CERTIFICATE_FILE,
    Enrolment,
    renewal_request,
    store_enrolment,
    with_new_channels,
)
from tallystick_edge.errors import EdgeError, EnrolmentError
from tallystick_edge.files import PUBLIC, write_whole
from tallystick_edge.identity import Identity
from tallystick_edge.ports import Entropy

LOOK_S = 3600  # real time; a certificate of 90 days has 30 of them to be renewed in
LOOK_URGENT_S = 60  # without a valid one nothing can be handed over; a person waits for a new plan
NEW_FILE = "tls.crt.new"
WANTED_FILE = "renewal.wanted"  # a command asked, and it is not done yet: also after a restart
log = logging.getLogger("tallystick.renewal")

Post = Callable[[ServerInfo, str, bytes], Awaitable[bytes]]
"""Sends the request to {server}/v1/gateways/{gid}/certificate; raises EnrolmentError (refused) or UplinkError."""


class Renewal:
    """`context` is the one connections are made with: what is renewed counts from the next connection on. `planned` is
    told when the site's plan has channels that it did not have."""

    def __init__(
        self,
        data: Path,
        identity: Identity,
        enrolment: Enrolment,
        context: ssl.SSLContext,
        software: str,
        entropy: Entropy,
        post: Post,
        planned: Callable[[Enrolment], None] = lambda _: None,
    ) -> None:
        self._planned, self._asked = planned, asyncio.Event()
        self._data, self._identity, self._enrolment = data, identity, enrolment
        self._context, self._software, self._entropy, self._post = context, software, entropy, post

    async def run(self, now: Callable[[], datetime]) -> None:
        """Look once an hour and when asked, for ever."""
        while True:
            is_urgent = await self.look(now())
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_URGENT_S if is_urgent else LOOK_S):
                    await self._asked.wait()

    def ask(self) -> None:
        """Renew soon, whatever the dates say; durable, so that a crash in between forgets nothing."""
        write_whole(self._data / WANTED_FILE, b"")
        self._asked.set()

    async def look(self, now: datetime) -> bool:
        """Renew when it is time or asked for; what fails is told and tried again. True while it cannot wait an hour."""
        self._asked.clear()
        begin, end = validity(self._enrolment.answer.certificate_pem)
        is_asked = (self._data / WANTED_FILE).exists()
        if now < begin + (end - begin) * 2 / 3 and not is_asked:
            return False
        try:
            await self._renew()
        except (EdgeError, OSError) as error:  # a full disk has it tried again, too
            log.warning("certificate valid until %s was not renewed: %s", end.date(), error)
            return is_asked or now >= end
        if not self._asked.is_set():  # whoever asked meanwhile may want what this answer does not have yet
            (self._data / WANTED_FILE).unlink(missing_ok=True)
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
        before = self._enrolment.descriptors
        kept = replace(self._enrolment.answer, certificate_pem=answer.certificate_pem)
        self._enrolment = replace(self._enrolment, answer=kept)
        try:
            self._enrolment = with_new_channels(self._enrolment, answer.descriptors)
        except EnrolmentError as error:  # no reason to be left without a certificate
            log.error("%s", error)
        store_enrolment(self._data, self._enrolment)
        write_whole(self._data / CERTIFICATE_FILE, answer.certificate_pem, PUBLIC)
        fresh = sorted(self._enrolment.descriptors.keys() - before.keys())
        if fresh:
            log.info("the site's plan has channels %s now", ", ".join(map(str, fresh)))
            self._planned(self._enrolment)


def validity(certificate_pem: bytes) -> tuple[datetime, datetime]:
    """From when to when it is valid; raises EnrolmentError for what is no certificate."""
    try:
        return validity_dates(certificate_pem)
    except ValueError as error:
        raise EnrolmentError(f"the stored certificate is unusable ({error}). Next: enrol with a new claim") from error
