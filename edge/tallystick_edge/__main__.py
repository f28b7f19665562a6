"""`python -m tallystick_edge` is the `tallystick-edge` command, and what the systemd unit starts.
It only calls them."""

import sys

from tallystick_edge.lazy import put_off

put_off()  # before anything else is imported

from tallystick_edge.service import serve  # noqa: E402

raise SystemExit(serve(sys.argv[1:]))
