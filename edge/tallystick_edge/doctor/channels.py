"""Does the site's plan describe what this gateway reads? Nothing is said before enrolment, which brings the plan."""

from __future__ import annotations

from collections.abc import Iterator

from tallystick_edge.config import EdgeConfig
from tallystick_edge.described import misfits, unread
from tallystick_edge.doctor.verdict import Verdict, fail, ok, warn
from tallystick_edge.enrolment import load_enrolment, planned_in
from tallystick_edge.errors import EdgeError
from tallystick_edge.identity import PROOF_FILE, load_identity
from tallystick_edge.plan import make_plan

CODE = "CHANNEL-PLAN"


def check_channels(config: EdgeConfig) -> Iterator[Verdict]:
    if not (config.data / PROOF_FILE).exists():
        return
    try:
        enrolment = load_enrolment(config.data, load_identity(config.data))
    except EdgeError:
        return  # ENROLMENT's to tell
    if enrolment is None:
        return
    plans, planned = make_plan(config), tuple(planned_in(enrolment.answer))
    wrong, missed = misfits(plans, planned), unread(plans, planned)
    for words in wrong.values():
        seen, _, step = words.partition(" Next: ")
        where, _, what = seen.partition(": ")
        yield fail(CODE, where, f"{what} It is set aside, not billed", step)
    for each in missed:
        step = "add its meter to the configuration; the plan has its asset, unit and serial number"
        yield warn(CODE, f"channel {each.channel} ({each.asset})", "is planned, and nothing here reads it", step)
    if not wrong and not missed:
        yield ok(CODE, "the site's plan", f"describes what is read on {len(planned)} channels")
