"""A task's steady look: one that fails is told and tried again, and nothing but the end of the server ends it."""

import asyncio

import pytest
from tallystick_cloud.beat import at_a_beat


async def test_a_look_that_fails_is_told_and_the_next_one_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[int] = []
    enough = asyncio.Event()

    async def look() -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            raise OSError("the database is away")
        if len(looks) == 3:
            enough.set()

    task = asyncio.create_task(at_a_beat(look, 0.0, "looking"))
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one.getMessage() for one in caplog.records] == ["looking failed; trying again in 0.0 s"]
