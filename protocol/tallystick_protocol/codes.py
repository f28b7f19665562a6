"""The numbered tables of the protocol: what a small integer on the wire means, the same tables as in tallystick.cddl.
It never gives a number a second meaning: a number that was ever released stays what it was.
"""

from enum import IntEnum


class TimeQuality(IntEnum):
    """How far a time can be trusted, letters as in OCMF: unknown, informative, synchronised, relative."""

    U = 0
    I = 1  # noqa: E741 - OCMF's own letter
    S = 2
    R = 3


class MeterState(IntEnum):
    """The meter's state at a reading, OCMF 1.4 table 10 (its letter in the comment)."""

    OK = 0  # G
    NOT_PRESENT = 1  # N
    TIMEOUT = 2  # T
    DISCONNECTED = 3  # D
    NOT_FOUND = 4  # R
    MANIPULATED = 5  # M
    EXCHANGED = 6  # X
    INCOMPATIBLE = 7  # I
    OUT_OF_RANGE = 8  # O
    SUBSTITUTE = 9  # S
    OTHER_ERROR = 10  # E
    READ_ERROR = 11  # F


class EventCode(IntEnum):
    """What happened on a channel."""

    USE_STARTED = 1
    USE_BILLABLE = 2
    USE_ENDED = 3
    USE_ABORTED = 4
    GAP = 5
    QUARANTINED = 6
    EXCHANGE = 7
    WRAP = 8
    RESET = 9
    CLOCK_CORRECTED = 10
    RESTORED = 11
    BATCH_LOST = 12
    COMMAND_DONE = 13
    COMMAND_REFUSED = 14
    STORE_FULL = 15
    STORE_FREE = 16
    TAMPER = 17


class Reason(IntEnum):
    """Why a reading was marked (1-31), why something was set aside (32-95), why a batch was refused (96-127)."""

    BEGIN = 1
    END = 2
    EDGE = 3  # a contract edge: midnight, a new band
    POWER_RETURN = 4
    BOOT = 5
    CLOCK_STEP = 6
    GENERATION = 7
    USE_START = 8
    USE_END = 9
    SERIAL_CHANGED = 10
    COMMANDED = 11

    ABSENT = 32  # a part is null: erased or unreadable
    UNSUPPORTED = 33  # a newer program may read it
    MALFORMED = 34
    PART_HASH = 35  # the part does not fit the hash that was signed
    NUMBER_REUSED = 36
    IMPLAUSIBLE_JUMP = 37
    REPLAYED = 38
    STALE = 39
    FELL = 40  # a register that never falls fell
    SERIAL_UNEXPECTED = 41
    NO_DESCRIPTOR = 42
    NO_CONTRACT = 43
    UNKNOWN_TIME = 44
    TOO_LATE = 45
    GENERATION_UNEXPLAINED = 46
    TOTAL_OVERLAP = 47
    FORK = 48
    LOST = 49
    USE_UNEXPLAINED = 50
    METER_SILENT = 51
    STORE_FULL = 52
    RESTORED = 53
    DECODE = 54
    CONFIGURATION = 55
    NO_PAYER = 56
    NOT_PERMITTED = 57
    EXPIRED = 58
    INTERNAL = 59  # the aggregator's program failed on it; a mended one takes it again
    HELD = 60  # waits behind a part of its channel that is set aside as internal
    METER_SIGNATURE = 61  # a record that the meter signed does not bear out what is billed
    REVERSED = 62  # people decided that a use counts as if it had never been

    BAD_SIGNATURE = 96
    WRONG_GATEWAY = 97
    WRONG_PREV = 98
    WRONG_PATH = 99
    TOO_LARGE = 100
    KEY_REVOKED = 101
    RATE_LIMITED = 102
    WRONG_EPOCH = 103
    WRONG_LOG = 104


class Sensitivity(IntEnum):
    """Who may be shown a part: the parties to the split, or the person it is about."""

    MONEY = 0
    PERSONAL = 1


class RawKind(IntEnum):
    """What the bytes of a raw record are."""

    OCMF = 1
    MODBUS = 3


class ReceiptStatus(IntEnum):
    """The aggregator's answer to a batch; only 0 and 1 are final."""

    ACCEPTED = 0
    DUPLICATE = 1
    REFUSED = 3
    FORK = 4
    KEY_UNKNOWN = 5
    BUSY = 7
    OUT_OF_ORDER = 8


class LogType(IntEnum):
    """The kind of signed object whose hash stands in a leaf of the log."""

    BATCH = 1
    CONTRACT = 2
    KEY = 3
    DESCRIPTOR = 4
    SETTLEMENT = 5
    COMMAND = 6  # and resolutions and reversals
    FORK = 7  # and lost batches
    APPROVAL = 8  # and votes
    INPUT = 9
    CONTINUATION = 10


class StorageClass(IntEnum):
    """Where a proof key lives; the evidence level it gives."""

    FILE = 1
    HARDWARE = 2


class KeyAction(IntEnum):
    """What a key event does."""

    ENROL = 0
    ROTATE = 1
    REVOKE = 2


class ResolutionAction(IntEnum):
    """What a person decided about an open span."""

    BILL = 0
    WAIVE = 1


class CommandType(IntEnum):
    """What a gateway is told to do (final with the commands themselves)."""

    ERASE = 1
    STOP_SHARING = 2
    SHARE = 3
    CONFIGURE = 4
    RENEW_CERTIFICATE = 5
    RESEND = 6
    CONFIRM_EXCHANGE = 7
    TRUST_KEY = 8


class UseKind(IntEnum):
    """Whether a use is billed: test and shadow uses have fee 0."""

    LIVE = 0
    TEST = 1
    SHADOW = 2


class EvidenceLevel(IntEnum):
    """How far a use can be trusted."""

    DECLARED = 0
    GATEWAY_FILE = 1
    GATEWAY_HARDWARE = 2
    METER_SIGNED = 3


class LineKind(IntEnum):
    """What a line of a statement is."""

    CHARGE = 0  # the fee of a use, negative
    SHARE = 1  # a share of a use's fee
    PAYOUT = 2  # money sent to the party, negative
    PAYMENT = 3  # money received from the party, or a payout that came back; negative: a debit that its bank took back
    CORRECTION = 4  # fee or share given back after a dispute


class Scope(IntEnum):
    """Whose view an evidence file is: a user's, or that of a party to the split."""

    OWN = 0
    CONTRACT = 1
