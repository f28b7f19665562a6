"""Why a contract or an approval is refused; nothing is changed then.

It never hides which party or version is meant.
"""

from tallystick_cloud.errors import CloudError


class ContractRefused(CloudError):
    code = "contract-refused"
