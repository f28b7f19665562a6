"""Why a settlement or a decision is refused; nothing is changed then.

    CloudError
      SettlementRefused   the period, the span or its state does not allow this

It never hides which period, span or party is meant.
"""

from tallystick_cloud.errors import Conflict


class SettlementRefused(Conflict):
    code = "settlement-refused"
