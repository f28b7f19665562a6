"""Why a split instruction is refused; nothing is changed then.

    CloudError
      SplitRefused    the run, its state or its amounts do not allow this step

It never hides which party, run or field is meant.
"""

from tallystick_cloud.errors import Conflict


class SplitRefused(Conflict):
    code = "split-refused"
