"""Decides how far the time of a reading may be believed, and when a boot's time must be corrected (protocol.md, Clock).
It never changes a clock: readings are ordered by their numbers, and an uptime never steps."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_protocol.codes import TimeQuality

STEP_MS = 5_000  # wall and monotonic clock part by microseconds; NTP that slews by 500 ppm takes hours for this
AGREE_MS = 3_600_000  # further from the aggregator's signed time no claim is believed; an answer in a fast demo may be
# a real minute under way
CLOCK_ERROR_MS = 1_000  # what a clock that NTP just set may still be off
SERVER_ERROR_MS = 30_000  # an answer takes at most as long as a request may (uplink/https.py)

Correction = tuple[int, int]  # UTC minus uptime, and its error, in ms


@dataclass(slots=True)
class ClockWatch:
    """One boot's clock. `claimed` is what the system says of its own wall clock."""

    _offset: int | None = None
    _was_synchronised: bool = False
    _stepped: bool = False
    _server: int | None = None
    _had_unknown: bool = False
    _told: int | None = None

    def look(self, uptime_ms: int, utc_ms: int, claimed: TimeQuality) -> TimeQuality:
        """The quality of a time read now. S: synchronised. R: it was, and runs on since. I: a clock that somebody set,
        that did not step and agrees with the aggregator's. U: anything else, until a correction says what it was."""
        offset = utc_ms - uptime_ms
        if self._offset is not None and abs(offset - self._offset) > STEP_MS:
            self._stepped, self._was_synchronised = True, False
        self._offset = offset
        quality = self._judged(claimed)
        if self._server is not None and abs(offset - self._server) > AGREE_MS:
            quality = TimeQuality.U
        self._had_unknown |= quality is TimeQuality.U
        return quality

    def _judged(self, claimed: TimeQuality) -> TimeQuality:
        match claimed:
            case TimeQuality.S:  # the kernel takes this back by itself when anybody but NTP sets the clock
                self._was_synchronised, self._stepped = True, False
                return claimed
            case TimeQuality.U:
                return TimeQuality.R if self._was_synchronised else claimed
            case _:
                return TimeQuality.U if self._stepped or self._server is None else claimed

    def server_said(self, server_ms: int, uptime_ms: int) -> None:
        """A signed time of the aggregator came; late ones say less than early ones, so that only the highest counts."""
        offset = server_ms - uptime_ms
        self._server = offset if self._server is None else max(self._server, offset)

    def correction(self, quality: TimeQuality) -> Correction | None:
        """What gives time to the readings of this boot that have none, once each time it is known better."""
        if not self._had_unknown or self._offset is None:
            return None
        if quality is not TimeQuality.U:
            self._had_unknown = False
            found, error = self._offset, CLOCK_ERROR_MS
        elif self._server is not None:
            found, error = self._server, SERVER_ERROR_MS
        else:
            return None
        if self._told is not None and abs(found - self._told) <= SERVER_ERROR_MS:
            return None
        self._told = found
        return found, error
