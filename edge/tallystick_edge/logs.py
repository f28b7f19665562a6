"""How the agent's log looks on stderr: text for people, priorities for the journal, or an object per line.
It filters nothing but the chatter of libraries; no secret is ever given to it, and a test looks for them."""

from __future__ import annotations

import logging
import os
from enum import StrEnum

NOISY = ("pymodbus", "bleak", "mqtt", "aiohttp")
# sd-daemon(3): the journal takes these off a line and keeps them as its priority.
PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class LogForm(StrEnum):
    """What a line of the log is."""

    TEXT = "text"
    JSON = "json"
    JOURNAL = "journal"


def log_lines(form: LogForm | None, *, verbose: bool) -> None:
    """Set up logging of this process. None: the journal's form when stderr is the journal, else text."""
    if form is None:
        form = LogForm.JOURNAL if "JOURNAL_STREAM" in os.environ else LogForm.TEXT
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("tallystick").setLevel(logging.DEBUG if verbose else logging.INFO)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _formatter(form: LogForm) -> logging.Formatter:
    match form:
        case LogForm.TEXT:
            return logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
        case LogForm.JOURNAL:
            return _Journal("%(name)s %(message)s")
        case LogForm.JSON:
            return _Json()


class _Journal(logging.Formatter):
    """The journal knows the time itself; each line of a traceback gets the priority of its record."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 5)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import json  # only this form needs it

        line: dict[str, object] = {
            "t_ms": int(record.created * 1000),
            "level": record.levelname.lower(),
            "where": record.name.removeprefix("tallystick."),
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
