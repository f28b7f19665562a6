"""Letters that people cannot see or cannot tell apart, in names of a contract file.
It never changes a text: it says what is odd about it, and which known name a stranger looks like."""

import re
import unicodedata
from collections.abc import Iterable

_LOOKALIKES = {  # letters of other alphabets that look like Latin ones in most fonts
    **dict(zip("АВЕЅІЈКМНОРСТУХ", "ABESIJKMHOPCTYX", strict=True)),  # Cyrillic
    **dict(zip("аеѕіјорсухԁԛԝ", "aesijopcyxdqw", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),  # Greek
    **dict(zip("οανι", "oavi", strict=True)),
}
_WORD = re.compile(r"[^\W\d_]+")
_LATIN, _OTHERS = "LATIN", frozenset({"CYRILLIC", "GREEK", "ARMENIAN"})
_JOINERS = "\u200c\u200d"  # needed between the letters of some scripts, never between those of the alphabets above


def odd_letters(text: str, *, is_paragraph: bool = False) -> str | None:
    """What is wrong with the letters of a text and what to do, or None. A paragraph may have line breaks."""
    if text != text.strip():
        return "begins or ends with a blank: take it away"
    for at, letter in enumerate(text):
        if is_paragraph and letter in "\n\t":
            continue
        if letter in _JOINERS and at and _script(text[at - 1]) not in _OTHERS | {_LATIN, ""}:
            continue
        if unicodedata.category(letter) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") or letter == "\u00a0":
            return f"holds a character that cannot be seen (U+{ord(letter):04X}): type the text again"
    if not unicodedata.is_normalized("NFC", text):
        return "holds letters put together from parts (not Unicode form NFC): type the text again"
    for word in _WORD.findall(text):
        scripts = {_script(letter) for letter in word} & (_OTHERS | {_LATIN})
        if len(scripts) > 1:
            return f"mixes alphabets in {word!r} ({' and '.join(sorted(scripts)).lower()}): type the word again"
    return None


def looks_like(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` cannot be told from by eye, None when there is none."""
    shape = _shape(name)
    return next((one for one in known if one != name and _shape(one) == shape), None)


def _shape(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name)
    return "".join(_LOOKALIKES.get(letter, letter) for letter in plain).casefold().replace(" ", "")


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
