"""Everything the aggregator refuses, as one tree; each message names the field and the next step.

    CloudError
      NotFound        what was named does not exist here
      Conflict        it exists, with other content or in another state
        LogSetBack    the database is older than what the log's key signed
      BadInput        a field cannot be read or has a value that is not allowed
      Forbidden       the caller may not do this
      Busy            the database could not give the locks in time; try again
      KeyStoreError   a key file is missing, open to others or not readable
    PortError         no port could be opened

It never wraps a bug: an impossible state raises the protocol's InvariantError.
"""


class CloudError(ValueError):
    """`field`: what it is about; `reason`: what is wrong and what to do next."""

    code = "cloud-error"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NotFound(CloudError):
    code = "not-found"


class Conflict(CloudError):
    code = "conflict"


class LogSetBack(Conflict):
    code = "log-set-back"


class BadInput(CloudError):
    code = "bad-input"


class Forbidden(CloudError):
    code = "forbidden"


class Busy(CloudError):
    code = "busy"


class KeyStoreError(CloudError):
    code = "key-store"


class PortError(RuntimeError):
    """No port could be opened; the message says which were tried."""
