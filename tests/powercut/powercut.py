"""Cuts the power at random places of the journal's writes, rebuilds what a disk may hold then, and opens it again.
Every acknowledged reading, batch, receipt and command number must be there. Figures are JSON lines.

    python tests/powercut/powercut.py --images 20000 [--seed SEED] [--synchronous NORMAL]
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.crash_images import Platter, cuts
from support.disk import Disk, disk_under
from support.gateway_life import Acked, Examiner, Life
from tallystick_edge.journal import Journal
from tallystick_protocol.keys import P256Signer

IMAGES_PER_LIFE = 200
IMAGES_MAX = 10_000_000
SMALL_LOG_PAGES = 8  # in half of the lives checkpoints come all the time
TELL_EVERY_S = 5.0
MODES = ("FULL", "NORMAL", "OFF")


@dataclass(slots=True)
class Outcome:
    """What a run showed; `amiss` counts sentences (numbers replaced by #)."""

    seed: str
    synchronous: str
    images: int = 0
    lives: int = 0
    writes: int = 0
    bad: int = 0
    seconds: float = 0.0
    amiss: Counter[str] = field(default_factory=Counter)


def run(images: int, seed: str, synchronous: str = "FULL", tell: Callable[[Outcome], None] = lambda o: None) -> Outcome:
    """`images` images over as many lives as needed; the same seed gives the same lives and the same cuts."""
    outcome = Outcome(seed, synchronous)
    started, told = time.monotonic(), time.monotonic()
    while outcome.images < images:
        chance = Random(f"{seed}/{outcome.lives}")
        one_life(min(IMAGES_PER_LIFE, images - outcome.images), chance, outcome)
        outcome.lives += 1
        outcome.seconds = time.monotonic() - started
        if time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            tell(outcome)
    return outcome


def one_life(images: int, chance: Random, outcome: Outcome) -> None:
    """Record one life of a gateway, then look at `images` of the states a power cut could leave."""
    signer = P256Signer.generate()
    with tempfile.TemporaryDirectory(prefix="tallystick-cut-", dir=memory_folder()) as root:
        folder, image = Path(root) / "real", Path(root) / "image"
        folder.mkdir()
        small = chance.random() < 0.5
        with disk_under(folder) as disk:
            life = Life(folder, signer, chance, disk, lambda journal: plant(journal, outcome.synchronous, small))
            life.start()
            life.live()
            life.core._journal.close()
        outcome.writes += len(disk.ops)
        examine(disk, life, signer, images, image, chance, outcome)


def examine(
    disk: Disk, life: Life, signer: P256Signer, images: int, folder: Path, chance: Random, outcome: Outcome
) -> None:
    """Walk through the recording once and make an image at every drawn place."""
    platter, acked, examiner, done = Platter(chance), Acked(), Examiner(signer), 0
    for cut in cuts(disk.ops, images, chance):
        for op in disk.ops[done:cut]:
            platter.take(op)
            if isinstance(op.mark, Acked):
                acked = op.mark
        done = cut
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        platter.image(folder, chance)
        amiss = examiner.amiss(folder, acked, life)
        outcome.images += 1
        if amiss is not None:
            outcome.bad += 1
            outcome.amiss["".join("#" if each.isdigit() else each for each in amiss)] += 1


def plant(journal: Journal, synchronous: str, small: bool) -> None:
    """Leave the journal as it is, or weaken it, so that everybody sees that this test can fail."""
    if synchronous != "FULL":
        journal._db.execute(f"PRAGMA synchronous = {synchronous}")
    if small:
        journal._db.execute(f"PRAGMA wal_autocheckpoint = {SMALL_LOG_PAGES}")


def memory_folder() -> str | None:
    """Images are written by the thousand: memory is kinder than a disk, where there is such a folder."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def progress(outcome: Outcome) -> None:
    rate = outcome.images / max(outcome.seconds, 0.001)
    print(f"{outcome.images} images, {outcome.bad} bad, {rate:.0f}/s", file=sys.stderr, flush=True)


def show(outcome: Outcome) -> bool:
    """A table for people, then JSON lines; whether the goals were met."""
    print(f"seed {outcome.seed}, synchronous={outcome.synchronous}: {outcome.images} images of {outcome.lives} lives")
    print(f"{outcome.writes} recorded operations, {outcome.seconds:.0f} s")
    for text, count in outcome.amiss.most_common():
        print(f"{count:>8}  {text}")
    must_hold = outcome.synchronous == "FULL"
    ok = (outcome.bad == 0) is must_hold
    goal = "= 0" if must_hold else "> 0"
    name = f"powercut.{outcome.synchronous.lower()}"
    print(json.dumps({"name": f"{name}.images", "value": outcome.images, "unit": "images", "goal": None, "ok": True}))
    print(json.dumps({"name": f"{name}.bad", "value": outcome.bad, "unit": "images", "goal": goal, "ok": ok}))
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--synchronous", choices=MODES, default="FULL", help="weaken the journal and see it fail")
    given = parser.parse_args()
    if not 1 <= given.images <= IMAGES_MAX:
        parser.error(f"--images: {given.images} is not from 1 to {IMAGES_MAX}")
    return 0 if show(run(given.images, given.seed, given.synchronous, progress)) else 1


if __name__ == "__main__":
    sys.exit(main())
