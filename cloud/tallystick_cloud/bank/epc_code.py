"""The European Payments Council's QR code for a credit transfer (EPC069-12): banking apps fill the transfer in from it.

It never holds anything that the payer does not have to type.
"""

from decimal import Decimal

from segno import QRCode
from segno.helpers import make_epc_qr

from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts.errors import BankFileError


def code_of(holder: str, iban: str | None, cents: int, reference: str) -> QRCode | None:
    """None where an account is missing, or a name or an amount that banks carry."""
    if iban is None:
        return None
    try:
        name, amount = epc.bank_name("account holder", holder), epc.bank_amount("amount", cents)
    except BankFileError:
        return None
    return make_epc_qr(name, iban, Decimal(amount), reference=reference)
