"""The MQTT session of a gateway when it is told to stop."""

import asyncio

import pytest
from tallystick_edge.uplink.mqtt import _MqttSession


class LastWord:
    """A client whose broker acknowledges in the very moment in which the uplink is told to stop."""

    def __init__(self) -> None:
        self.messages = NoMessages()
        self.acknowledged, self.is_waiting = asyncio.Event(), asyncio.Event()

    async def publish(self, *_: object, **__: object) -> None:
        self.is_waiting.set()
        await asyncio.wait_for(self.acknowledged.wait(), 60)  # as aiomqtt does


class NoMessages:
    def __aiter__(self) -> "NoMessages":
        return self

    async def __anext__(self) -> object:
        raise StopAsyncIteration


@pytest.mark.virtual_time
async def test_a_stop_that_comes_with_an_acknowledgement_is_not_forgotten() -> None:
    client = LastWord()
    session = _MqttSession(client, "00")  # type: ignore[arg-type]
    task = asyncio.create_task(session.send_hello(b"x"))
    await client.is_waiting.wait()
    await asyncio.sleep(0)  # its wait has begun
    client.acknowledged.set()
    await asyncio.sleep(0)  # the acknowledgement is in, and the session was not told yet
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
