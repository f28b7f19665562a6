"""The server looks for dead cycles seldom, not never. In a process of its own: the setting is the whole process's."""

import subprocess
import sys

PROGRAM = """
import gc
class Ring:
    def __init__(self):
        self.ring = self
    def __del__(self):
        gone.append(1)
gone = []
from tallystick_cloud import garbage
garbage.settle()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
Ring()
kept = [[] for _ in range(10_000)]
assert not gone, "looked after so few objects"
kept += [[] for _ in range(garbage.YOUNG_MAX)]
assert gone, "never looked"
"""


def test_dead_cycles_are_looked_for_seldom_and_still_found() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
