"""Whether an exception comes from what a part says, or from the machine underneath.

The first sets the part aside and the chain goes on; the second is everybody's, and the gateway sends again later.
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError

OF_CONTENT = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""What a database says of a statement and its values (SQLSTATE 0A, 22, 23, 42); it works and would say so again."""


def is_of_content(error: Exception) -> bool:
    """True for the rules' own errors and for bugs: sending the same bytes again would end the same way.

    False for locks, deadlocks, full disks, lost connections and no memory: the same bytes may pass in a minute.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error, OF_CONTENT) and not error.connection_invalidated
    return not isinstance(error, SQLAlchemyError | OSError | MemoryError)
