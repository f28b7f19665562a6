"""`python -m tallystick_sim` is `tallystick-sim`.
It never does anything else."""

import sys

from tallystick_sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
