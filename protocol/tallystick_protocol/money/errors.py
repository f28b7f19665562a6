"""What the money rules refuse, so that a caller can name the field and the next step.
It never repairs a value; a refused contract or use leaves everything as it was.

    ProtocolError
    ├── ContractError   a contract file that people wrote: line, field, reason
    ├── UsageError      a use that its contract cannot price: it stays open with this reason
    └── ZoneError       no rules known for a time zone, or a time outside the years that are
"""

from tallystick_protocol.errors import BadValue


class ContractError(BadValue):
    """A contract file is wrong at `line` (1 is the first, 0 when it concerns the whole file)."""

    def __init__(self, line: int, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.line = line

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.field}: {self.reason}"

    def __reduce__(self) -> tuple[type["ContractError"], tuple[int, str, str]]:  # type: ignore[override]
        return type(self), (self.line, self.field, self.reason)


class UsageError(BadValue):
    """This use cannot be priced by this contract; set it aside as open with the reason."""


class ZoneError(BadValue):
    """The zone rules do not say what is asked of them."""
