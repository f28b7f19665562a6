"""Is the gateway enrolled, is its certificate good, and can server and broker be reached: name, connection, TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

from tallystick_edge.certificate_dates import OUT_OF_TIME, validity_dates
from tallystick_edge.claim_file import load_claim
from tallystick_edge.config import EdgeConfig, TransportKind
from tallystick_edge.doctor.verdict import Level, Verdict, fail, ok, warn
from tallystick_edge.enrolment import (
    CERTIFICATE_FILE,
    Enrolment,
    has_claim,
    has_other_claim,
    load_enrolment,
    pinned_context,
)
from tallystick_edge.errors import EdgeError
from tallystick_edge.identity import PROOF_FILE, TLS_FILE, load_identity
from tallystick_edge.uplink.problem import PROBLEM_BYTES_MAX, problem_text

REACH_S = 5.0  # each of connection and handshake
SOON = timedelta(days=14)  # renewal is due at two thirds of the life; so late it has failed many times
HTTPS_PORT = 443
BEYOND = 2**62  # no command has so high a number


def check_network(config: EdgeConfig, now: datetime) -> Iterator[Verdict]:
    """`now`: real time, by which certificates are judged."""
    enrolment, verdict = _enrolment(config)
    yield verdict
    if enrolment is None:
        return
    yield _certificate(enrolment, now)
    try:
        context = _context(enrolment, config.data)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        step = "see DATA-RIGHTS and CARD-FULL; if it is a damaged or another key, enrol with a new claim"
        yield fail("ENROLMENT", str(config.data / TLS_FILE), f"cannot be used with the certificate: {error}", step)
        return
    parts = urlsplit(enrolment.info.server)
    reached = list(_reach("server", parts.hostname or "", parts.port or HTTPS_PORT, context))
    yield from reached
    if all(each.level is Level.OK for each in reached):
        yield _admitted(enrolment, parts.hostname or "", parts.port or HTTPS_PORT, context)
    if config.uplink.transport is TransportKind.MQTT:
        if enrolment.info.mqtt_host is None or enrolment.info.mqtt_port is None:
            step = 'set transport = "https", or enrol with a claim file that has [mqtt]'
            yield fail("NET-BROKER", "uplink.transport", "is mqtt, but the claim named no broker", step)
        else:
            yield from _reach("broker", enrolment.info.mqtt_host, enrolment.info.mqtt_port, context)


def _context(enrolment: Enrolment, data: Path) -> ssl.SSLContext:
    """As the agent makes it; `enrol` alone has not laid the certificate out in its file yet."""
    context = pinned_context(enrolment.info.ca_pem)
    if (data / CERTIFICATE_FILE).exists():
        context.load_cert_chain(data / CERTIFICATE_FILE, data / TLS_FILE)
        return context
    with NamedTemporaryFile() as certificate:
        certificate.write(enrolment.answer.certificate_pem)
        certificate.flush()
        context.load_cert_chain(certificate.name, data / TLS_FILE)
    return context


def _enrolment(config: EdgeConfig) -> tuple[Enrolment | None, Verdict]:
    claim = config.uplink.claim
    if not (config.data / PROOF_FILE).exists():
        if claim is None or not has_claim(claim):
            return None, _no_claim(claim, "no keys yet, and no claim")
        return None, warn("ENROLMENT", str(config.data), "has no keys yet", "start the agent, it makes them")
    try:
        found = load_enrolment(config.data, load_identity(config.data))
        if found is not None and has_other_claim(config.data, claim):
            step = "start the agent anew, it uses the claim; its log says why it did not"
            return found, warn("ENROLMENT", str(claim), f"waits beside the enrolment at {found.info.server}", step)
        if found is not None:
            return found, ok("ENROLMENT", found.info.server, f"enrolled as {found.answer.gid.hex()}")
        if claim is None or not has_claim(claim):
            return None, _no_claim(claim, "no enrolment and no claim")
        server = load_claim(claim).info.server
    except EdgeError as error:
        seen, _, step = str(error).partition(" Next: ")
        return None, fail("ENROLMENT", str(config.data), seen, step)
    return None, warn("ENROLMENT", server, "not enrolled yet, the claim is there", "start the agent; see its log")


def _no_claim(claim: Path | None, seen: str) -> Verdict:
    step = "put the site's claim.toml, which the office gives, where uplink.claim says"
    return fail("ENROLMENT", str(claim or "uplink.claim"), seen, step)


def _certificate(enrolment: Enrolment, now: datetime) -> Verdict:
    try:
        begin, end = validity_dates(enrolment.answer.certificate_pem)
    except ValueError as error:
        return fail("CERT-EXPIRY", "certificate", str(error), "enrol with a new claim")
    seen = f"valid until {end:%Y-%m-%d %H:%M} UTC"
    step = "the agent renews it by its proof key once it reaches the server; see NET-TLS"
    if now >= end:
        return fail("CERT-EXPIRY", "certificate", f"ran out on {end:%Y-%m-%d}", step)
    if now < begin:
        step = "set the clock; see CLOCK-UNTRUSTED"
        return fail("CERT-EXPIRY", "certificate", f"is valid from {begin:%Y-%m-%d}", step)
    if end - now < min(SOON, (end - begin) / 3):
        return warn("CERT-EXPIRY", "certificate", seen, step)
    return ok("CERT-EXPIRY", "certificate", seen)


def _admitted(enrolment: Enrolment, host: str, port: int, context: ssl.SSLContext) -> Verdict:
    """Asks for commands beyond all numbers, which is what the agent asks all the time and changes nothing."""
    where = f"server {host}:{port}"
    connection = HTTPSConnection(host, port, timeout=REACH_S, context=context)
    try:
        connection.request("GET", f"/v1/gateways/{enrolment.answer.gid.hex()}/commands?after={BEYOND}&wait_s=0")
        answer = connection.getresponse()
        body = answer.read(PROBLEM_BYTES_MAX)
    except (OSError, HTTPException) as error:
        step = "see the server's log; what is read is kept meanwhile"
        return warn("NET-ADMITTED", where, f"gave no answer: {type(error).__name__}: {error}", step)
    finally:
        connection.close()
    if answer.status == HTTPStatus.OK:
        return ok("NET-ADMITTED", where, "takes what this gateway sends")
    seen, _, step = problem_text(body).partition(". Next: ")
    return fail("NET-ADMITTED", where, f"{answer.status}: {seen}", step or "ask whoever runs the server")


def _reach(what: str, host: str, port: int, context: ssl.SSLContext) -> Iterator[Verdict]:
    """The first thing that does not work; what comes after it cannot."""
    where = f"{what} {host}:{port}"
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        step = "check the cable or Wi-Fi, and the name server (resolvectl query NAME)"
        yield fail("NET-DNS", where, f"the name is not found: {error.strerror or error}", step)
        return
    try:
        connection = socket.create_connection((host, port), timeout=REACH_S)
    except OSError as error:
        step = "check whether it runs, its port, and firewalls between (outgoing TCP)"
        yield fail("NET-LINK", where, f"no connection: {error.strerror or error}", step)
        return
    try:
        with connection, context.wrap_socket(connection, server_hostname=host) as secured:
            yield ok("NET-TLS", where, f"reached, {secured.version()}, its certificate is the pinned authority's")
    except ssl.SSLCertVerificationError as error:
        step = "somebody answers in its place (a captive portal?), or it has a new authority: ask the office"
        if error.verify_code in OUT_OF_TIME:
            step = "set the clock, see CLOCK-UNTRUSTED; if it is right, the server has to be started anew"
        yield fail("NET-TLS", where, f"its certificate is not believed: {error.verify_message}", step)
    except (OSError, ssl.SSLError) as error:
        step = "see CERT-EXPIRY; a revoked gateway is refused here: ask the community"
        yield fail("NET-TLS", where, f"the handshake failed: {error}", step)
