"""What an aggregator says when it refuses: a problem document (RFC 9457), in a line for the log."""

from __future__ import annotations

import json

PROBLEM_BYTES_MAX = 16 * 1024
TEXT_CHARS_MAX = 512  # of the log's line
PLAIN_BYTES_MAX = 200  # of what is no problem document, a proxy's page


def problem_text(body: bytes) -> str:
    """Its detail and next step, or the beginning of whatever came."""
    try:
        value = json.loads(body[:PROBLEM_BYTES_MAX])
        said = str(value.get("detail") or value.get("title") or value)[:TEXT_CHARS_MAX]
        step = None if value.get("errors") else value.get("next_step")  # of a field, the detail says what to do
    except (ValueError, AttributeError, RecursionError):
        return body[:PLAIN_BYTES_MAX].decode("utf-8", "replace").replace("\n", " ")
    return f"{said}. Next: {step[:TEXT_CHARS_MAX]}" if isinstance(step, str) and step else said
