"""One independent stream of chance per thing and seed, so that a new draw in one place changes nothing elsewhere.
It is for worlds, never for keys that anybody relies on."""

from __future__ import annotations

from random import Random


class Chance:
    """`stream(name)` gives the same numbers for the same seed and name in every run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> Random:
        return Random(f"{self.seed}/{name}")


class RandomBytes:
    """The Entropy port of edge and cloud."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def bytes(self, n: int) -> bytes:
        return self._chance.randbytes(n)
