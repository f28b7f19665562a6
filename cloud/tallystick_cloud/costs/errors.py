"""Why a bill is not shared; nothing is changed then.

    CloudError
      CostRefused       the bill, its key or its readings do not allow it

It never hides which flat, reading or field is meant.
"""

from tallystick_cloud.errors import Conflict


class CostRefused(Conflict):
    code = "cost-refused"
