"""When the server looks for cycles of dead objects: seldom, because what an upload makes holds none.

It never turns the collector off.
"""

import gc

YOUNG_MAX = 50_000  # objects made since the last look; 700 by default, which a batch of 60 uses passes many times
MIDDLE_MAX = OLD_MAX = 20


def settle() -> None:
    """Once, when the server stands: what is there now stays as long as it does, and is never looked through again.

    Without it about a fifth of the processor time of an upload goes to looking (docs/adr/0302).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, MIDDLE_MAX, OLD_MAX)
