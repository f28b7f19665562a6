"""Why a file from the bank is refused; nothing is changed then.

    CloudError
      BankInRefused     the file, or this step with one of its entries, does not fit what the books know
        BankInUnread    the bytes are not a file that can be read: which element, and why

It never hides which element of the file is meant.
"""

from tallystick_cloud.errors import Conflict


class BankInRefused(Conflict):
    code = "bank-in"


class BankInUnread(BankInRefused):
    code = "bank-in-unread"
