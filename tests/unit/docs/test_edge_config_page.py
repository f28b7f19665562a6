"""The page about a gateway's configuration shows a file that the agent accepts, and names every key of it."""

from __future__ import annotations

import re
from pathlib import Path

from support.repository import ROOT
from tallystick_edge.config_toml import load_config

PAGE = (ROOT / "docs" / "reference" / "edge-config.md").read_text()


def test_the_example_is_accepted_as_it_stands(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    (tmp_path / "edge.toml").write_text(example[1])
    config = load_config(tmp_path / "edge.toml")
    assert {meter.id for meter in config.meters} == {"washer-1", "washer-2", "dryer", "hot-water"}
