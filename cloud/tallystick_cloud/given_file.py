"""A file that somebody gave us, on a page or to a command, as text."""

from tallystick_cloud.errors import BadInput


def text_of(data: bytes, limit: int, what: str, *, has_parts: bool = False) -> str:
    """At most `limit` bytes of UTF-8, with or without a mark in front; `what` it is, for whoever chose none, and
    whether it `has_parts` that can be given one by one. Raises BadInput."""
    if not data:
        raise BadInput("file", f"is empty or was not chosen; choose {what}")
    if len(data) > limit:
        raise BadInput("file", f"is larger than {limit} bytes" + "; give it in parts" * has_parts)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("file", f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None
