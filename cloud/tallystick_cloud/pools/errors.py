"""Why a grid file or a close is refused; nothing is changed then.

CloudError
  PoolRefused     the file, the period or the contract does not allow it
    RowsDiffer    rows say something else than what is stored, and nobody said why
"""

from tallystick_cloud.errors import Conflict


class PoolRefused(Conflict):
    code = "pool-refused"


class RowsDiffer(PoolRefused):
    """`count` rows; `told`: the first of them, in words."""

    def __init__(self, count: int, told: str) -> None:
        step = "Add --correct REASON to store them as corrections"
        super().__init__("file", f"{count} rows differ from what is stored: {told}. {step}")
        self.count, self.told = count, told
