"""Gives one input to one target again, with the whole traceback, and says how to keep it as a regression.

python tests/fuzz/again.py TARGET FILE"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.targets import TARGETS


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in TARGETS:
        print(__doc__, f"\nTargets: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    name, path = arguments
    data = Path(path).read_bytes()
    print(f"keep it: one line in tests/fuzz/regressions.txt, before the fix:\n{name} {data.hex() or '-'}")
    TARGETS[name].run(data)
    print("it is read or refused by name: nothing to find")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
