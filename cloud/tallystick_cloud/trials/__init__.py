"""Test runs: an installer tries a machine, and nobody pays for it."""
