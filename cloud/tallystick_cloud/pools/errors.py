"""Why a grid file or a close is refused; nothing is changed then."""

from tallystick_cloud.errors import Conflict


class PoolRefused(Conflict):
    code = "pool-refused"
