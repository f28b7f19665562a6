"""The bank file of a stored run.

It reads nothing but the run: what is in the books or in a contract now makes no difference to its bytes.
"""

from datetime import date

from tallystick_protocol.errors import InvariantError

from . import epc
from .checks import Run
from .errors import BankFileError
from .model import block_id
from .pain001 import Block, CreditTransferFile, Transfer
from .store import StoredPayout


def file_of(run: Run) -> CreditTransferFile:
    """From what is stored alone: the same run gives the same bytes for ever."""
    stored = run.stored
    if stored.approved_ms is None:
        raise InvariantError(f"payout run {stored.number} is {stored.state.value} without an approval")
    transfers = tuple(
        Transfer(one.end_to_end, one.cents, one.creditor, _remittance(stored.number, one)) for one in run.payouts
    )
    day = date.fromisoformat(stored.execution_day)
    block = Block(block_id(stored.id), stored.debtor, day, transfers)
    return CreditTransferFile(stored.id[:16].hex(), stored.approved_ms, stored.debtor.name, (block,))


def _remittance(number: int, one: StoredPayout) -> str:
    """What the payee reads in the statement; a contract's name that banks cannot carry is left out."""
    what = "refund" if one.owed.is_credit else "payout"
    try:
        return f"{epc.bank_text('contract', one.contract)}, {what} {number}"
    except BankFileError:
        return f"{what.capitalize()} {number}"
