"""What a live page was told: the situation as short, comparable pieces, and the difference of two of them.

It never holds anything of a viewer: the same bytes go to everybody in one community and language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tallystick_cloud.city.map_svg import Measure, largest_of, shape_of
from tallystick_cloud.city.model import GatewayState, Situation
from tallystick_cloud.city.view import alarm_line, counters, gateway_note, parts
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages

NANO_PER_HUNDREDTH = 10_000_000


@dataclass(frozen=True, slots=True)
class Frame:
    """k counters, c gateways per state, g marks, p chart points, a alarms (html), s the split bar (html)."""

    k: Mapping[str, str] = field(default_factory=dict)
    c: Mapping[str, str] = field(default_factory=dict)
    g: Mapping[str, Any] = field(default_factory=dict)
    p: Mapping[str, Any] = field(default_factory=dict)
    a: Mapping[str, Any] = field(default_factory=dict)
    s: Mapping[str, str] = field(default_factory=dict)


SECTIONS = ("k", "c", "g", "p", "a", "s")


def encode(s: Situation, w: Wording, pages: Pages) -> Frame:
    """The situation in one language."""
    lines = [alarm_line(one, w, s.now_ms) for one in s.alarms]
    return Frame(
        k=_counters(s, w),
        c={state.value: w.count(s.count(state)) for state in GatewayState},
        g=_marks(s, w),
        p={str(b.start_ms): [b.uses, b.fees_nano // NANO_PER_HUNDREDTH] if b.known else None for b in s.buckets},
        a={
            str(line.id): {
                "r": line.rank,
                "by": line.taken_by,
                "say": f"{line.severity}: {line.title}, {line.gateway}",
                "h": pages.fragment("_alarm.html", w, a=line, csrf="", here=""),
            }
            for line in lines
        },
        s={"html": pages.fragment("_split.html", w, parts=parts(s, w), unit=s.community.unit)},
    )


def changes(before: Frame, after: Frame) -> dict[str, Any]:
    """Per section what is new or different, and under `-` the keys that are gone; empty sections are left out."""
    found: dict[str, Any] = {}
    gone: dict[str, list[str]] = {}
    for section in SECTIONS:
        old, new = getattr(before, section), getattr(after, section)
        different = {key: value for key, value in new.items() if key not in old or old[key] != value}
        missing = [key for key in old if key not in new]
        if different:
            found[section] = different
        if missing:
            gone[section] = missing
    return {**found, "-": gone} if gone else found


def _counters(s: Situation, w: Wording) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in counters(s, w):
        found |= {one.key: one.value, f"{one.key}-unit": one.unit, f"{one.key}-note": one.note}
    return found


def _marks(s: Situation, w: Wording) -> dict[str, Any]:
    largest = {measure: largest_of(s.gateways, measure) for measure in Measure}
    return {
        one.id: {
            **{measure.value: list(shape_of(one, measure, largest[measure])) for measure in Measure},
            "note": f"{one.name}: {gateway_note(one, s, w)}",
        }
        for one in s.gateways
    }
