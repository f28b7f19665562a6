"""What an alarm code means to a person: a title, and the first thing to do.

It never decides when an alarm is raised; a code that is not listed is shown by its own name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """Title and first step of one code; the alarm's own text says what happened this time."""

    title: str
    step: str


def N_(text: str) -> str:
    """Marks a text for translation; it is translated where it is shown."""
    return text


WORDS = {
    "no-contact": AlarmWords(N_("No contact"), N_("Check power and network at the site.")),
}


def words_of(code: str) -> AlarmWords:
    """The words of a code; its own name when nobody wrote any."""
    return WORDS.get(code) or AlarmWords(code.replace("-", " ").capitalize(), "")
