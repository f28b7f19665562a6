"""What can be wrong with a Bluetooth frame or a poll, by name; each becomes a `Fault` with that name.
Nothing here is raised beyond the Bluetooth driver."""

from __future__ import annotations

from enum import StrEnum


class BleReason(StrEnum):
    """Why a meter or an adapter gave nothing. The text is the `reason` of the `Fault`."""

    FRAME = "bad-frame"
    VERSION = "unsupported-version"
    KEY_MISSING = "key-missing"
    KEY_WRONG = "wrong-key-or-forged"
    DOWNGRADE = "unencrypted-although-keyed"
    ABSENT = "value-absent"
    REPLAYED = "replayed"
    SILENT = "silent"
    OUT_OF_RANGE = "out-of-range"
    NO_ANSWER = "no-answer"
    LINK_LOST = "link-lost"
    REFUSED = "refused"
    OTHER_SERIAL = "serial-mismatch"
    ADAPTER_SILENT = "adapter-silent"
    ADAPTER_OFF = "adapter-off"
    ADAPTER_GONE = "adapter-gone"
    BUS_GONE = "bluetooth-service-gone"
    SCAN_REFUSED = "scan-refused"
    NOT_PERMITTED = "not-permitted"


class BleError(Exception):
    """`str()` is "reason: detail"; the detail names the field and, where there is one, the next step."""

    def __init__(self, reason: BleReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
