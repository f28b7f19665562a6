"""Figures of a benchmark: a table for people, a JSON line each for programs."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `goal` is None for a figure shown for comparison."""

    name: str
    value: float
    unit: str
    goal: str | None = None
    ok: bool = True


def at_least(name: str, value: float, unit: str, goal: float, digits: int = 2) -> Figure:
    return Figure(name, round(value, digits), unit, f">= {goal:g}", value >= goal)


def at_most(name: str, value: float, unit: str, goal: float, digits: int = 2) -> Figure:
    return Figure(name, round(value, digits), unit, f"<= {goal:g}", value <= goal)


def show(figures: list[Figure]) -> bool:
    """Print all of them; whether every goal is met."""
    for each in figures:
        missed = "" if each.ok else "  MISSED"
        print(f"{each.name:40}{each.value:>14,} {each.unit:16}{each.goal or '':>10}{missed}")
    for each in figures:
        print(json.dumps(asdict(each)))
    return all(each.ok for each in figures)
