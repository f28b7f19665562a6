"""How many of something, in words for a terminal; pages have their own, in the reader's language.

It never formats money.
"""


def many(count: int, word: str, plural: str = "") -> str:
    """1 use, 3 uses; `plural` where it takes more than an s."""
    return f"{count} {word if count == 1 else plural or f'{word}s'}"
