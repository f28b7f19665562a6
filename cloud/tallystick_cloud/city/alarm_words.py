"""What an alarm code means to a person: a title, and the first thing to do.

It never decides when an alarm is raised; a code that is not listed is shown by its own name."""

from dataclasses import dataclass

from tallystick_cloud.alarms import Ends, ends_of
from tallystick_cloud.http.locale import N_


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """Title of one code, and the first step where the alarm's own text does not say it."""

    title: str
    step: str = ""


WORDS = {
    "no-contact": AlarmWords(N_("No contact"), N_("Check power, then network at the site.")),
    "reading-set-aside": AlarmWords(N_("Reading set aside")),
    "replay-refused": AlarmWords(N_("Replay refused"), N_("Look for a strange transmitter near the sensor.")),
    "wrong-meter": AlarmWords(N_("Another meter answers"), N_("Compare its serial with the plan.")),
    "gap": AlarmWords(N_("Gap in the readings"), N_("Check the meter's cable and power.")),
    "meter-exchanged": AlarmWords(N_("Meter exchanged")),
    "meter-reset": AlarmWords(N_("Meter began anew")),
    "card-restored": AlarmWords(N_("Older card came back"), N_("Nothing is billed twice; ask who changed the card.")),
    "card-lost-a-write": AlarmWords(N_("Card lost a write")),
    "clone": AlarmWords(N_("Two gateways sign as one")),
    "log-set-back": AlarmWords(N_("Database is older than its log")),
    "batch-lost": AlarmWords(N_("Batches lost")),
    "batches-lost": AlarmWords(N_("Batches lost")),
    "store-full": AlarmWords(N_("Gateway's store is full")),
    "quarantine-internal": AlarmWords(N_("Server failed on a part"), N_("Update the server; it takes the part then.")),
    "upload-ends-process": AlarmWords(N_("Server ends over an upload"), N_("Update the server; nothing is lost.")),
    "part-given-up": AlarmWords(N_("Part given up"), N_("Decide on the uses that it leaves open.")),
    "second-gateway": AlarmWords(N_("Two gateways at one site"), N_("Revoke the old one once it has handed over.")),
    "gateway-revoked": AlarmWords(N_("Gateway revoked"), N_("Make a new claim if the site goes on.")),
    "command-refused": AlarmWords(N_("Gateway refused a command")),
    "tamper": AlarmWords(N_("Meter reports tampering")),
}
ENDS = {
    Ends.HEARD: N_("Ends by itself when the gateway is heard."),
    Ends.READINGS: N_("Ends by itself with the next readings."),
    Ends.SPACE: N_("Ends by itself when the store has room."),
    Ends.TAKEN_IN: N_("Ends by itself when nothing waits for this reason."),
    Ends.QUIET: N_("Ends by itself after a quiet day."),
    Ends.PERSON: N_("Stays until somebody closes it with a cause."),
}
"""When an alarm is over, as a person reads it."""
QUARANTINE = "quarantine-"
"""Codes of this form name the reason why a part waits for a person."""


def words_of(code: str) -> AlarmWords:
    """The words of a code; its own name when nobody wrote any."""
    found = WORDS.get(code)
    if found is not None:
        return found
    plain = code.removeprefix(QUARANTINE).replace("-", " ")
    return AlarmWords(f"Set aside: {plain}" if code.startswith(QUARANTINE) else plain.capitalize())


def ends_words(code: str) -> str:
    """When an alarm of this code is over; to be translated where it is shown."""
    return ENDS[ends_of(code)]
