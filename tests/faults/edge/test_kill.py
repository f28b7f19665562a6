"""kill -9 at random moments: whatever the journal said is durable is there, whole and in order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tallystick_edge.items import Reading
from tallystick_edge.journal import Journal

CYCLES = 12
WRITER = Path(__file__).with_name("writer.py")


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    path, flushed, sealed = tmp_path / "journal.sqlite", 0, 0
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    waits = random.Random(seed)
    for _ in range(CYCLES):
        with subprocess.Popen([sys.executable, WRITER, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(waits.uniform(0.0, 0.12))
            process.send_signal(signal.SIGKILL)
            said = [first, *process.stdout.read().splitlines()]
        flushed = max([flushed, *(int(line.split()[1]) for line in said if line.startswith("flush"))])
        sealed = max([sealed, *(int(line.split()[1]) for line in said if line.startswith("seal"))])
        journal = Journal.open(path, bytes(32))
        loaded = journal.load()
        value = loaded.channels[1].value
        assert value is not None
        assert value >= flushed
        assert loaded.chain.next_seq > sealed
        assert [b.seq for b in journal.waiting(10**6)] == list(range(1, loaded.chain.next_seq))
        pending = [item.value for item in loaded.pending if isinstance(item, Reading)]
        assert pending == list(range(value - len(pending) + 1, value + 1))
        journal.close()
    assert flushed >= CYCLES  # each writer says one flush at least before it is killed
