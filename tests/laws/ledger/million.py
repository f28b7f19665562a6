"""The command behind `make million COUNT=N`: many uses, duplicates, other orders and kill -9; 0 nano off.

It only starts `support.million`, which is also what the test uses.
"""

import os
import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[2])
sys.path.insert(0, TESTS)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (TESTS, os.environ.get("PYTHONPATH"))))

from support.million import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
