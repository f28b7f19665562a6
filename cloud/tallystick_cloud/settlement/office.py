"""Who settles: the one value that use cases which sign are handed.

It never runs a statement.
"""

from dataclasses import dataclass

from tallystick_cloud.context import Context
from tallystick_cloud.ports import Entropy


@dataclass(frozen=True, slots=True)
class Office:
    """Who settles: the community with its keys, and chance for salts, nonces and tags."""

    context: Context
    entropy: Entropy
