"""Vectors of the messages a gateway sends and receives, and of the records in the log: good ones and named failures."""

from __future__ import annotations

from support import protocol_samples as s
from support.vector_case import APPEND, DELETE, Case, Cases, edit
from tallystick_protocol import cose
from tallystick_protocol.batch import SealedPart, Upload
from tallystick_protocol.part import Part


def parts() -> list[Case]:
    c = Cases("part", s.PARTS["interval readings"].encode())
    for name, part in s.PARTS.items():
        c.ok(name, part.encode(), {"readings": [_reading(part)]} if name == "interval readings" else None)
    c.common("part", version=False)
    c.edited("no channel", [0], DELETE, "missing-field", "part.channel")
    c.edited("a negative channel", [0], -1, "bad-value", "part.channel")
    c.edited("a channel of 2^63", [0], 2**63, "bad-value", "part")
    c.edited("a descriptor of 31 bytes", [1], bytes(31), "bad-value", "part.descriptor")
    c.edited("sensitivity 2", [6], 2, "unsupported", "part.sensitivity")
    c.edited("an empty list of segments", [2], [], "bad-value", "part.segments")
    c.edited("one second segment too early", [2], (APPEND, _second(s.T0, 3)), "bad-value", "part.segments", rule=True)
    c.edited("a total that falls", [2], (APPEND, _second(11_999, 6)), "bad-value", "part.segments", rule=True)
    c.edited("dv shorter than dt", [2, 0, 7], [1], "bad-value", "part.segments[0].dv", rule=True)
    c.edited("a falling register", [2, 0, 7, 1], -1, "bad-value", "part.segments[0].dv")
    c.edited("a step that is true", [2, 0, 7, 1], True, "bad-type", "part.segments[0].dv")
    c.edited("time sums beyond 64 bits", [2, 0, 6, 0], 2**63 - 1, "bad-value", "part.segments[0].at", rule=True)
    c.edited("register sums beyond 64 bits", [2, 0, 7, 0], 2**63 - 1, "bad-value", "part.segments[0].dv", rule=True)
    c.edited("total beyond 64 bits", [2, 0, 4], 2**63 - 1, "bad-value", "part.segments[0].base", rule=True)
    c.edited("pagination beyond 64 bits", [2, 0, 0], 2**63 - 2, "bad-value", "part.segments[0].pagination", rule=True)
    c.edited("one run that is a constant", [2, 0, 8], [[0, 2]], "bad-value", "part.segments[0].quality")
    c.edited("runs that start at 1", [2, 0, 8], [[1, 0], [2, 2]], "bad-value", "part.segments[0].quality", rule=True)
    c.edited("runs that do not rise", [2, 0, 8], [[0, 0], [0, 2]], "bad-value", "part.segments[0].quality", rule=True)
    c.edited("neighbours alike", [2, 0, 8], [[0, 2], [2, 2]], "bad-value", "part.segments[0].quality", rule=True)
    c.edited("a run after the end", [2, 0, 8], [[0, 0], [5, 2]], "bad-value", "part.segments[0].quality", rule=True)
    c.edited("time quality 4", [2, 0, 8], 4, "unsupported", "part.segments[0].quality")
    c.edited("meter state 12", [2, 0, 9], 12, "unsupported", "part.segments[0].state")
    c.edited("a mark after the end", [2, 0, 10], [[5, 1]], "bad-value", "part.segments[0].marks", rule=True)
    c.edited("marks out of order", [2, 0, 10], [[2, 1], [1, 1]], "bad-value", "part.segments[0].marks", rule=True)
    c.edited("mark with an unknown reason", [2, 0, 10], [[0, 31]], "unsupported", "part.segments[0].marks[0][1]")
    c.edited("a serial of 65 bytes", [2, 0, 11], "x" * 65, "bad-value", "part")
    c.edited("a serial that is not NFC", [2, 0, 11], "u\u0308", "bad-value", "part", rule=True)
    c.edited("a boot of 5 bytes", [2, 0, 1, 0], bytes(5), "bad-value", "part.segments[0].at.boot")
    c.edited("unknown key in a segment", [2, 0, 12], 1, "unsupported", "part.segments[0]")
    c.bad("4,097 steps", _long(4097), "too-large", "part.segments[0].dt", rule=True)
    return c.cases + _events() + _others()


def _events() -> list[Case]:
    c = Cases("part", s.PARTS["an ended use"].encode())
    c.edited("event code 18", [4, 0, 4], 18, "unsupported", "part.events[0].code")
    c.edited("an ended use without number", [4, 0, 6], DELETE, "missing-field", "part.events[0].use", rule=True)
    c.edited("an ended use without total", [4, 0, 5], DELETE, "missing-field", "part.events[0].total", rule=True)
    c.edited("a subject outside started", [4, 0, 8], bytes(16), "bad-value", "part.events[0].subject", rule=True)
    c.edited("two uses", [4], (APPEND, _another_use()), "bad-value", "part.events", rule=True)
    c.edited("an event twice", [4], (APPEND, _same_event()), "bad-value", "part.events", rule=True)
    c.edited("samples hash of 16 bytes", [4, 0, 9], bytes(16), "bad-value", "part.events[0].samples_hash")
    for code, name, field in (
        (5, "gap", "reason"),
        (7, "exchange", "exchange"),
        (10, "clock corrected", "clock"),
        (12, "batch lost", "lost"),
        (13, "command done", "ref"),
    ):
        c.edited(f"{name} without {field}", [4, 0, 4], code, "missing-field", f"part.events[0].{field}", rule=True)
    return c.cases


def _others() -> list[Case]:
    c = Cases("part", s.PARTS["who started it"].encode())
    c.edited("a subject in a money part", [6], 0, "bad-value", "part.raws", rule=True)
    c.edited("raw of an unknown kind", [5, 0, 0], 2, "unsupported", "part.raws[0].kind")
    c.edited("raw of 8,193 bytes", [5, 0, 2], bytes(8193), "too-large", "part.raws[0].data")
    no_raws = edit(c.good, [5], DELETE)
    c.bad("who in a money part", edit(no_raws, [6], 0), "bad-value", "part.events", rule=True)
    c.good = s.PARTS["gauges"].encode()
    c.edited("gauges beside events", [4], [_same_event()], "bad-value", "part.gauges", rule=True)
    c.edited("a gauge that leaves 64 bits", [3, 0, 7, 1], -(2**63), "bad-value", "part.gauges[0].dv", rule=True)
    c.edited("a gauge with runs of quality", [3, 0, 8], [[0, 0], [1, 2]], "bad-type", "part.gauges[0].quality")
    return c.cases


def batches() -> list[Case]:
    c = Cases("batch", s.BATCH.encode())
    c.ok("with three parts and five paddings", c.good)
    c.ok("a heartbeat without parts", s.HEARTBEAT.encode())
    c.common("batch")
    c.edited("a gid of 15 bytes", [1], bytes(15), "bad-value", "batch.gid")
    c.edited("seq 0", [3], 0, "bad-value", "batch.seq")
    c.edited("epoch as text", [2], "1", "bad-type", "batch.epoch")
    c.edited("no prev", [4], DELETE, "missing-field", "batch.prev")
    c.edited("no nonce", [5], DELETE, "missing-field", "batch.nonce")
    c.edited("seven hashes", [11], [bytes(32)] * 7, "bad-value", "batch.part_hashes", rule=True)
    c.edited("1,032 hashes", [11], [bytes(32)] * 1032, "too-large", "batch.part_hashes", rule=True)
    c.edited("a clock of three", [7], [s.BOOT, 1, 2], "bad-type", "batch.boot+uptime_ms+quality+error_ms")
    c.edited("key 8, which nobody gave a meaning", [8], 1, "unsupported", "batch")
    return c.cases


def uploads() -> list[Case]:
    c = Cases("upload", s.UPLOAD.encode())
    c.ok("three parts and an erased one", c.good, {"hash": _hash(s.BATCH_ENVELOPE), "parts": ["ok", "ok", "ok", None]})
    c.ok("no parts sent", Upload(s.BATCH_ENVELOPE, ()).encode(), {"parts": []})
    c.ok("a part under another's salt is set aside", _resalted(), {"parts": [35, "ok", "ok"]})
    later = edit(s.BATCH.encode(), [13], 1)
    envelope = cose.sign(s.GATEWAY, cose.ContentType.BATCH, later)
    c.ok("a batch of a newer version is kept", Upload(envelope, s.SEALED).encode(), {"parts": [33, 33, 33]})
    newer = _with_first_part(edit(s.SEALED[0].data, [7], 1))
    c.ok("a part of a newer version is set aside", newer, {"parts": [33]})
    c.ok("a part that breaks a rule is set aside", _with_first_part(_long(4097)), {"parts": [34]})
    c.ok("a part that is no CBOR is set aside", _with_first_part(b"\xff\xff"), {"parts": [34]})
    c.bad("a byte after it", c.good + b"\x00", "not-canonical", "upload", rule=True)
    c.bad("nine parts for eight hashes", Upload(s.BATCH_ENVELOPE, (None,) * 9).encode(), "bad-value", "upload.parts",
          rule=True)  # fmt: skip
    c.edited("a salt of 15 bytes", [1, 0, 0], bytes(15), "bad-type", "upload.parts[0]")
    c.edited("parts as a map", [1], {}, "bad-type", "upload")
    receipt = cose.sign(s.GATEWAY, cose.ContentType.RECEIPT, s.RECEIPT.encode())
    c.bad("a receipt instead of a batch", Upload(receipt, ()).encode(), "bad-value", "upload.envelope", rule=True)
    headless = cose.sign(s.GATEWAY, cose.ContentType.BATCH, edit(s.BATCH.encode(), [4], DELETE))
    c.bad("a batch without prev", Upload(headless, ()).encode(), "missing-field", "batch.prev", rule=True)
    c.bad("more than 64 KiB", b"\x82\x40\x80" + bytes(65536), "too-large", "upload")
    return c.cases


def answers() -> list[Case]:
    c = Cases("receipt", s.RECEIPT.encode())
    c.ok("accepted, one part set aside", c.good)
    c.ok("busy", s.BUSY.encode())
    c.common("receipt")
    c.edited("status 2", [6], 2, "unsupported", "receipt.status")
    c.edited("to before from", [3], 2, "bad-value", "receipt.to_seq", rule=True)
    c.edited("accepted without a leaf", [7], None, "bad-value", "receipt.leaf_index", rule=True)
    c.edited("a part of another batch", [14, 0, 0], 9, "bad-value", "receipt.quarantined", rule=True)
    c.edited("an empty list of parts", [14], [], "bad-value", "receipt.quarantined", rule=True)
    state = Cases("state", s.STATE.encode())
    state.ok("after a hello", state.good)
    state.common("state")
    state.edited("no log", [11], None, "bad-type", "state.log")
    state.edited("a hello nonce of 8 bytes", [16], bytes(8), "bad-value", "state.hello_nonce")
    state.edited("minimum above maximum", [14], [2, 1], "bad-value", "state.versions", rule=True)
    state.edited("one channel twice", [18, 1, 0], 1, "bad-value", "state.channels", rule=True)
    state.edited("a channel row of seven", [18, 0], [1, 4, 4, 0, 12, 0, 0], "bad-type", "state.channels[0]")
    state.edited("a note of 4,097 bytes", [15], bytes(4097), "too-large", "state.note")
    command = Cases("command", s.COMMAND.encode())
    command.ok("erase a part", command.good)
    command.common("command")
    command.edited("type 99", [5], 99, "unsupported", "command.type")
    command.edited("expires when issued", [4], s.T0, "bad-value", "command.expires", rule=True)
    command.edited("a map as argument", [6], [{1: 2}], "bad-type", "command.args")
    command.edited("65 arguments", [6], [0] * 65, "bad-value", "command.args", rule=True)
    command.edited("cmd-seq 0", [2], 0, "bad-value", "command.cmd_seq")
    return c.cases + state.cases + command.cases


def hellos() -> list[Case]:
    c = Cases("hello", s.HELLO.encode())
    c.ok("with a lost span", c.good)
    c.ok("without one", edit(c.good, [11], DELETE))
    c.common("hello")
    c.edited("no versions", [6], [], "bad-value", "hello.versions")
    c.edited("seventeen versions", [6], list(range(17)), "too-large", "hello.versions")
    c.edited("an empty list of lost", [11], [], "bad-value", "hello.lost")
    c.edited("lost to before from", [11, 0, 2], 3, "bad-value", "hello.lost[0].to_seq", rule=True)
    c.edited("a nonce of 15 bytes", [9], bytes(15), "bad-value", "hello.nonce")
    return c.cases


def records() -> list[Case]:
    d = Cases("descriptor", s.DESCRIPTOR.encode())
    d.ok("of a meter with type approval", d.good)
    d.ok("before the serial is known", edit(edit(d.good, [5], None), [12], None))
    d.common("descriptor")
    d.edited("channel 0", [4], 0, "bad-value", "descriptor.channel")
    d.edited("exponent 19", [8], 19, "bad-value", "descriptor.exponent")
    d.edited("modulus 0", [9], 0, "bad-value", "descriptor.modulus")
    d.edited("a profile without hash", [10], ["sdm120"], "bad-type", "descriptor.profile+profile_hash")
    k = Cases("key-event", s.KEY_EVENT.encode())
    k.ok("a gateway enrols", k.good)
    k.ok("a role's key is revoked", s.ROLE_EVENT.encode())
    k.common("key-event")
    k.edited("action 3", [4], 3, "unsupported", "key-event.action")
    k.edited("storage 0", [6], 0, "unsupported", "key-event.storage")
    k.edited("a subject of 17 bytes", [2], bytes(17), "bad-value", "key-event.subject")
    k.edited("a subject that is a number", [2], 5, "bad-type", "key-event.subject")
    k.edited("a revocation without when", [4], 2, "bad-value", "key-event.revoked_from", rule=True)
    k.edited("revoked in another measure", [8], 5, "bad-value", "key-event.revoked_from", rule=True)
    k.edited("a role valid from a batch", [2], "receipt", "bad-value", "key-event.valid_from", rule=True)
    k.edited("an unknown command type", [9], [99], "unsupported", "key-event.may[0]")
    a = Cases("approval", s.APPROVAL.encode())
    a.ok("a yes", a.good)
    a.ok("a no", edit(a.good, [4], False))
    a.common("approval")
    a.edited("a yes that is 1", [4], 1, "bad-type", "approval.yes")
    r = Cases("resolution", s.RESOLUTION.encode())
    r.ok("a waived span", r.good)
    r.common("resolution")
    r.edited("action 2", [5], 2, "unsupported", "resolution.action")
    r.edited("a span that falls", [7], 11_999, "bad-value", "resolution.to_total", rule=True)
    v = Cases("reversal", s.REVERSAL.encode())
    v.ok("a wash that never was", v.good)
    v.common("reversal")
    v.edited("a reason in words", [6], "the drum stood still", "bad-type", "reversal.why")
    v.edited("counts that fall", [5], 15, "bad-value", "reversal.to_total", rule=True)
    c = Cases("continuation", s.CONTINUATION.encode())
    c.ok("a log of 100 entries goes on", c.good)
    c.ok("nothing is known to be lost", edit(c.good, [7], []))
    c.common("continuation")
    c.edited("no entries", [5], 0, "bad-value", "continuation.size")
    c.edited("the first epoch", [3], 0, "bad-value", "continuation.epoch")
    c.edited("an epoch after the year 2106", [3], 2**32, "bad-value", "continuation.epoch")
    c.edited("an epoch that goes back", [4], 1_796_000_000, "bad-value", "continuation.epoch", rule=True)
    c.edited("lost in an epoch to come", [7, 0, 0], 1_796_000_001, "bad-value", "continuation.lost", rule=True)
    return d.cases + k.cases + a.cases + r.cases + v.cases + c.cases


def enrolments() -> list[Case]:
    c = Cases("enrol", s.ENROL_REQUEST.encode())
    c.ok("a request", c.good)
    c.common("enrol")
    c.edited("storage 3", [4], 3, "unsupported", "enrol.storage")
    c.edited("an SPKI of 129 bytes", [1], bytes(129), "too-large", "enrol.spki")
    c.edited("no claim", [7], DELETE, "missing-field", "enrol.claim")
    a = Cases("enrol-answer", s.ENROL_ANSWER.encode())
    a.ok("an answer", a.good)
    a.common("enrol-answer")
    a.edited("one rule twice", [9], [["x", 1], ["x", 2]], "bad-value", "enrol-answer.policy", rule=True)
    a.edited("a grant that is bytes", [4, 0, 1], [b"x"], "bad-type", "enrol-answer.keys[0].may[0]")
    return c.cases + a.cases


def _hash(envelope: bytes) -> str:
    return cose.parse(envelope).hash.hex()


def _reading(part: Part) -> dict[str, int]:
    last = part.segments[0].readings()[-1]
    return {"pagination": last.pagination, "t_ms": last.t_ms, "total": last.total, "quality": last.quality}


def _second(v0: int, pagination: int) -> dict[int, object]:
    at = [s.BOOT, 900_000]
    return {0: pagination, 1: at, 2: s.T0 + 900_000, 3: 0, 4: 0, 5: v0, 6: [], 7: [], 8: 2, 9: 0}


def _same_event() -> dict[int, object]:
    return {0: 3, 1: [s.BOOT, 1], 2: s.T0, 3: 2, 4: 8}


def _another_use() -> dict[int, object]:
    return {0: 4, 1: [s.BOOT, 1], 2: s.T0, 3: 2, 4: 3, 5: 2, 6: 2}


def _long(steps: int) -> bytes:
    long = edit(s.PARTS["4,096 steps"].encode(), [2, 0, 6], [1_000] * steps)
    return edit(long, [2, 0, 7], [1] * steps)


def _resalted() -> bytes:
    first = SealedPart(s.SEALED[1].salt, s.SEALED[0].data)
    return Upload(s.BATCH_ENVELOPE, (first, *s.SEALED[1:])).encode()


def _with_first_part(data: bytes) -> bytes:
    from tallystick_protocol.batch import part_hash

    sealed = SealedPart(s.SEALED[0].salt, data)
    hashes = [part_hash(sealed.salt, data), *s.BATCH.part_hashes[1:]]
    batch = edit(s.BATCH.encode(), [11], list(hashes))
    return Upload(cose.sign(s.GATEWAY, cose.ContentType.BATCH, batch), (sealed,)).encode()
