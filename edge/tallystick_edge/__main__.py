"""`python -m tallystick_edge` is the `tallystick-edge` command.
It only calls it."""

from tallystick_edge.cli import main

raise SystemExit(main())
