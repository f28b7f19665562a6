"""How many batches a gateway may send in a while, told before anything of them is read or checked.

It never knows what a batch says, and a gateway that is slowed down loses nothing: it sends again when told to.
"""

BATCH_MS = 50  # 20 a second for long: a week offline at a batch a minute is caught up in nine minutes
BURST_MS = 30_000  # 600 at once above that: a reconnect of a whole window, many times over
GATEWAYS_MAX = 20_000  # forgotten as soon as they are idle; above it the idle ones are looked for


class Rate:
    """One per server; times are any clock's ms that never goes back."""

    def __init__(self, batch_ms: int = BATCH_MS, burst_ms: int = BURST_MS) -> None:
        self._batch_ms, self._burst_ms = batch_ms, burst_ms
        self._busy_until: dict[bytes, int] = {}

    def take(self, gid: bytes, now_ms: int) -> int:
        """0: go on. Else the ms after which the next one is let in; then nothing was counted."""
        until = max(now_ms, self._busy_until.get(gid, 0)) + self._batch_ms
        if until - now_ms > self._burst_ms:
            return until - now_ms - self._burst_ms
        if len(self._busy_until) >= GATEWAYS_MAX:
            self._busy_until = {one: at for one, at in self._busy_until.items() if at > now_ms}
        self._busy_until[gid] = until
        return 0
