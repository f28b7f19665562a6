"""The command behind `make orders COUNT=N`: arrival orders of the same uploads give one balance sheet.

It only starts `support.orders`, which is also what the tests use.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.orders import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
