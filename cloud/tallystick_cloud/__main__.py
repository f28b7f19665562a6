"""`python -m tallystick_cloud` is `tallystick`.

It never does anything of its own.
"""

from tallystick_cloud.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
