"""Routes of gateways: enrol, hello, batches, commands. The bytes are those of the protocol, over TLS.

It never trusts a path: what it says must equal what is signed.
"""

from typing import Annotated

from pydantic import Field
from tallystick_protocol import cbor

from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, GidHex, Port, RouteTable
from tallystick_cloud.uplink import POLL_S_MAX, Uplink

CBOR = "application/cbor"
UPLOAD_BYTES_MAX = cbor.UPLOAD_BYTES_MAX
ENROL_BYTES_MAX = 16 * 1024
WaitSeconds = Annotated[int, Field(ge=0, le=POLL_S_MAX)]


def gateway_routes(uplink: Uplink) -> RouteTable:
    """All of them, on the TLS port only."""
    table = RouteTable()
    on = frozenset({Port.GATEWAY})
    gateway = frozenset({Role.GATEWAY})

    @table.route(
        "POST",
        "/v1/enrol",
        roles={Role.PUBLIC},
        on=on,
        takes=CBOR,
        gives=CBOR,
        tag="gateways",
        body_bytes_max=ENROL_BYTES_MAX,
    )
    async def enrol(call: Call, body: bytes) -> bytes:
        """Enrol a gateway by a one-time claim; the request is signed by its proof key."""
        return await uplink.enrol(body)

    @table.route(
        "POST",
        "/v1/gateways/{gid}/certificate",
        roles={Role.PUBLIC},
        on=on,
        takes=CBOR,
        gives=CBOR,
        tag="gateways",
        body_bytes_max=ENROL_BYTES_MAX,
    )
    async def renew_certificate(call: Call, gid: GidHex, body: bytes) -> bytes:
        """A new TLS certificate, also when the old one has run out; the request is signed by the proof key."""
        return await uplink.certificate(bytes.fromhex(gid), body)

    @table.route("POST", "/v1/gateways/{gid}/hello", roles=gateway, on=on, takes=CBOR, gives=CBOR, tag="gateways")
    async def say_hello(call: Call, gid: GidHex, body: bytes) -> bytes:
        """Say where the gateway stands; the answer is the signed State."""
        return await uplink.hello(bytes.fromhex(gid), body, "https")

    @table.route(
        "PUT",
        "/v1/gateways/{gid}/batches/{epoch}/{seq}",
        roles=gateway,
        on=on,
        takes=CBOR,
        gives=CBOR,
        tag="gateways",
        body_bytes_max=UPLOAD_BYTES_MAX,
    )
    async def put_batch(call: Call, gid: GidHex, epoch: int, seq: int, body: bytes) -> bytes:
        """Send one signed batch; the answer is the signed receipt, given after commit."""
        return await uplink.batch(bytes.fromhex(gid), body, (epoch, seq))

    @table.route("GET", "/v1/gateways/{gid}/commands", roles=gateway, on=on, gives=CBOR, tag="gateways")
    async def list_commands(call: Call, gid: GidHex, after: int = 0, wait_s: WaitSeconds = POLL_S_MAX) -> bytes:
        """Commands with a number above `after`, as a CBOR array of envelopes; waits up to `wait_s` for the first."""
        return cbor.encode(await uplink.commands_soon(bytes.fromhex(gid), after, wait_s))

    return table
