"""A disk that fails: writes and syncs that return errors, some of which happened all the same, then a power cut."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.crash_images import Platter, cuts
from support.disk import IOERR_FSYNC, IOERR_WRITE, OK, Disk, Kind, Op, disk_under
from support.gateway_life import Acked, Examiner, Life
from support.seeds import drawn
from tallystick_edge import core as core_module
from tallystick_protocol.keys import P256Signer

LIVES, IMAGES = 8, 25


def failing(chance: Random) -> Disk:
    """One sync of eight and one write of forty fails; in bad spells nearly all of them."""
    spell = 0

    def fails(op: Op) -> int:
        nonlocal spell
        if spell or chance.random() < 0.002:
            spell = (spell or chance.randrange(5, 40)) - 1
            return IOERR_FSYNC if op.kind is Kind.SYNC else IOERR_WRITE
        if op.kind is Kind.SYNC:
            return IOERR_FSYNC if chance.random() < 0.125 else OK
        return IOERR_WRITE if op.kind is Kind.WRITE and chance.random() < 0.025 else OK

    disk = Disk(Path())
    disk.fails, disk.anyway = fails, lambda op: chance.random() < 0.5
    return disk


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: what a sync costs is no question here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tallystick-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def amiss(folder: Path, seed: str) -> list[str]:
    """What is wrong with the images of lives on failing disks."""
    found: list[str] = []
    errors = 0
    for number in range(LIVES):
        chance, signer = Random(f"{seed}/{number}"), P256Signer.generate()
        real = folder / str(number)
        real.mkdir()
        disk = failing(chance)
        disk.folder = real
        never, disk.fails = disk.fails, lambda op: OK
        with disk_under(real, disk):
            life = Life(real, signer, chance, disk)
            life.start()
            disk.fails = never
            life.live()
            errors += life.errors
            disk.fails = lambda op: OK
            life._flush()  # whatever happened, a disk that works again is used again
            life.core.close()
        examiner = Examiner(signer)
        platter, acked, done = Platter(chance), Acked(), 0
        for cut in [*cuts(disk.ops, IMAGES, chance), len(disk.ops)]:
            for op in disk.ops[done:cut]:
                platter.take(op)
                acked = op.mark if isinstance(op.mark, Acked) else acked
            done = cut
            image = folder / f"{number}-image-{cut}-{len(found)}"
            image.mkdir(exist_ok=True)
            platter.image(image, chance)
            what = examiner.amiss(image, acked, life)
            if what is not None:
                found.append(what)
    assert errors > LIVES  # in all of them: one life alone may be lucky
    return found


@pytest.mark.drawn
def test_nothing_acknowledged_is_lost_by_failing_syncs_and_a_power_cut(folder: Path) -> None:
    seed = drawn("disk")
    assert amiss(folder, seed) == [], f"seed {seed}"


def test_the_same_lives_lose_something_when_the_log_is_not_written_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_module, "settle", lambda journal: None)
    assert amiss(folder, "unsynced")
