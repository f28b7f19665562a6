"""Why a mandate or a collection is refused; nothing is changed then.

    CloudError
      MandateRefused    the mandate, or this step with it, is not allowed
      DebitRefused      the run, its state or its amounts do not allow this step

It never hides which payer, run or field is meant.
"""

from tallystick_cloud.errors import Conflict


class MandateRefused(Conflict):
    code = "mandate-refused"


class DebitRefused(Conflict):
    code = "debit-refused"
