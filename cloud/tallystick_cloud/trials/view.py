"""A test run as its page shows it: in the reader's words and times. It never says who paid for a use."""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_cloud.http.locale import Wording

from .model import MINUTE_MS, Trial


@dataclass(frozen=True, slots=True)
class RunView:
    """`when`: since when it is on, or from when to when it was; `left`: minutes that it is on still."""

    id: int
    name: str
    asset: str
    is_on: bool
    when: str
    iso: str
    left: str
    by: str
    why: str
    uses: str


def run(one: Trial, names: Mapping[bytes, str], w: Wording, now_ms: int) -> RunView:
    """A line of the list."""
    _ = w.gettext
    minutes = -(-(one.to_ms - now_ms) // MINUTE_MS)
    if one.is_on(now_ms):
        when = _("since {time}, until {until}").format(time=w.time(one.from_ms), until=w.time(one.to_ms))
    else:
        when = _("{day}, {time} to {until}").format(
            day=w.date(one.from_ms), time=w.time(one.from_ms), until=w.time(one.to_ms)
        )
    if not one.uses:
        uses = _("no use taken back yet") if one.is_on(now_ms) else _("no use taken back")
    else:
        uses = _("1 use taken back") if one.uses == 1 else _("{n} uses taken back").format(n=w.count(one.uses))
    return RunView(
        one.id, one.asset_name, one.asset, one.is_on(now_ms), when, w.iso(one.from_ms), w.count(max(minutes, 0)),
        names.get(one.by, ""), one.why, uses,
    )  # fmt: skip
