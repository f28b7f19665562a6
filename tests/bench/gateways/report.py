"""What the bench found: figures with their goals, as a table for people and as JSON lines for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One result; `goal` is None for a figure shown for comparison."""

    name: str
    value: float
    unit: str
    goal: str | None = None
    ok: bool = True


@dataclass
class Report:
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, goal: str | None = None, ok: bool = True) -> None:
        self.figures.append(Figure(name, round(value, 4), unit, goal, ok))

    def at_most(self, name: str, value: float, unit: str, most: float) -> None:
        self.add(name, value, unit, f"<= {most}", value <= most)

    def at_least(self, name: str, value: float, unit: str, least: float) -> None:
        self.add(name, value, unit, f">= {least}", value >= least)

    @property
    def all_ok(self) -> bool:
        return all(figure.ok for figure in self.figures)

    def show(self) -> None:
        width = max(len(figure.name) for figure in self.figures)
        for figure in self.figures:
            verdict = "" if figure.goal is None else f"{figure.goal:>12}  {'ok' if figure.ok else 'MISSED'}"
            print(f"{figure.name:{width}} {figure.value:>12,.10g} {figure.unit:16}{verdict}")
        for figure in self.figures:
            line = {"name": figure.name, "value": figure.value, "unit": figure.unit, "goal": figure.goal}
            print(json.dumps(line | {"ok": figure.ok}))
