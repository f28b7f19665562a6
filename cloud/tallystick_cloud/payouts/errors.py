"""Why a payout is refused; nothing is changed then.

    CloudError
      PayoutRefused     the run, its state or its amounts do not allow this step
        BankFileError   a name, an account or an amount that a bank would send back
      NotSecondPerson   whoever asks may not release this run

It never hides which party, run or field is meant.
"""

from tallystick_cloud.errors import Conflict, Forbidden


class PayoutRefused(Conflict):
    code = "payout-refused"


class BankFileError(PayoutRefused):
    code = "bank-file"


class NotSecondPerson(Forbidden):
    code = "not-second-person"
