"""Carries one request for enrolment or renewal over HTTPS with the CA pin of the claim file.
It is imported only when one is due; refusals come back with the aggregator's remedy."""

from __future__ import annotations

import ssl

import aiohttp
from tallystick_protocol.enrol import ANSWER_BYTES_MAX

from tallystick_edge.certificate_dates import OUT_OF_TIME
from tallystick_edge.claim_file import ClaimFile, ServerInfo
from tallystick_edge.clock import real_utc
from tallystick_edge.enrolment import pinned_context
from tallystick_edge.errors import EnrolmentError, UplinkError
from tallystick_edge.uplink.problem import problem_text

TIMEOUT_S = 30  # certificate, key event and descriptors are one database transaction


async def post_enrolment(file: ClaimFile, request: bytes) -> bytes:
    """The answer's bytes; EnrolmentError when refused (4xx), UplinkError when not reached."""
    return await _post(file.info, "/v1/enrol", request)


async def post_renewal(info: ServerInfo, gid: str, request: bytes) -> bytes:
    """The same for a renewal: no client certificate is shown, because it may have run out."""
    return await _post(info, f"/v1/gateways/{gid}/certificate", request)


async def _post(info: ServerInfo, path: str, request: bytes) -> bytes:
    url = info.server.rstrip("/") + path
    connector = aiohttp.TCPConnector(ssl=pinned_context(info.ca_pem))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
            http.post(url, data=request, headers={"Content-Type": "application/cbor"}) as answer,
        ):
            body = bytearray()
            async for chunk in answer.content.iter_chunked(65_536):
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise EnrolmentError(f"{url}: the answer is too long. Next: check the server address")
            if answer.status == 200:
                return bytes(body)
            if 400 <= answer.status < 500 and answer.status != 429:
                raise EnrolmentError(f"{url}: {answer.status}: {problem_text(bytes(body))}")
            raise UplinkError(f"{url}: {answer.status}: {problem_text(bytes(body))}")
    except aiohttp.ClientConnectorCertificateError as error:
        raise UplinkError(f"{url}: {_unbelieved(error.certificate_error)}") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UplinkError(f"{url}: {type(error).__name__}: {error}") from error


def _unbelieved(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in OUT_OF_TIME:
        now = f"{real_utc():%Y-%m-%d %H:%M} UTC"
        step = "wait for the time (timedatectl) or set it; if it is right, the server has to be started anew"
        return f"{error.verify_message}, and the clock here says {now}. Next: {step}"
    step = "ask the office: the claim is for another server, or a captive portal answers in its place"
    return f"its certificate is not of the authority in the claim file. Next: {step}"
