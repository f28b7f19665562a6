"""Why a payout is refused; nothing is changed then.

    CloudError
      PayoutRefused     the run, its state or its amounts do not allow this step
        BankFileError   a name, an account or an amount that a bank would send back

It never hides which party, run or field is meant.
"""

from tallystick_cloud.errors import Conflict


class PayoutRefused(Conflict):
    code = "payout-refused"


class BankFileError(PayoutRefused):
    code = "bank-file"
