"""Who settles: the one value that use cases which sign are handed.

It never runs a statement.
"""

from dataclasses import dataclass

from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ports import Entropy


@dataclass(frozen=True, slots=True)
class Office:
    """Who settles: the community with its keys, and chance for salts, nonces and tags."""

    context: Context
    entropy: Entropy


def office_of(aggregator: Aggregator | None, community: str) -> Office:
    """The office of a community whose keys this server holds. Raises NotFound."""
    if aggregator is None:
        raise NotFound("community", f"{community!r} has no keys on this server; sign on the one that holds them")
    return Office(aggregator.of(community), aggregator.entropy)
