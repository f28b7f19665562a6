"""Why a contract or an approval is refused; nothing is changed then.

It never hides which party or version is meant.
"""

from ..errors import CloudError


class ContractRefused(CloudError):
    code = "contract-refused"
