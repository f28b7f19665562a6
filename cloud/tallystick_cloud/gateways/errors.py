"""Why a gateway is not let in.

It never says whether a wrong claim was close to a right one.
"""

from tallystick_cloud.errors import CloudError


class ClaimRefused(CloudError):
    """Unknown, used, expired: the reason says which and what the installer does next."""

    code = "claim-refused"


class GatewayUnknown(CloudError):
    code = "gateway-unknown"
