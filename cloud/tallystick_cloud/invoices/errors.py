"""Why a document is not issued or drawn; nothing is changed then.

    CloudError
      InvoiceRefused    the period, the setup or the document does not allow this step

It never hides which period, party or field is meant.
"""

from tallystick_cloud.errors import Conflict


class InvoiceRefused(Conflict):
    code = "invoice-refused"
