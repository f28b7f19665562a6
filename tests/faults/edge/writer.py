"""Writes to a journal until it is killed, and says on standard output what it was told is durable.
One line per acknowledged flush or seal; a test compares them with what is found after kill -9."""

from __future__ import annotations

import sys
from pathlib import Path

from tallystick_edge.items import Moment, Reading
from tallystick_edge.journal import Chain, Flush, Journal, SealedBatch
from tallystick_edge.metering.channel import ChannelState
from tallystick_protocol.codes import TimeQuality

journal = Journal.open(Path(sys.argv[1]), bytes(32))
loaded = journal.load()
state = loaded.channels.get(1) or ChannelState(1)
value, chain = state.value or 0, loaded.chain
while True:
    value += 1
    at = Moment(b"boot-1", value, value, TimeQuality.S)
    journal.flush(Flush([Reading(1, at, 0, 0, value)], [ChannelState(1, value=value, at=at)]))
    print(f"flush {value}", flush=True)
    if value % 7 == 0:
        sealed = SealedBatch(1, chain.next_seq, value.to_bytes(32, "big"), value, bytes(value % 3_000))
        chain = Chain(1, chain.next_seq + 1, sealed.hash)
        journal.seal([sealed], [], chain)
        print(f"seal {sealed.seq}", flush=True)
