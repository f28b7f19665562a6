"""What each alarm code means, what usually causes it, and the first three steps: one table for every page.

It never decides when an alarm is raised; a test holds that every code the program can raise stands here."""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_protocol.codes import Reason

from tallystick_cloud.http.locale import N_

QUARANTINE = "quarantine-"
"""Codes of this form carry the reason why a part waits for a person."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """Texts to be translated where they are shown; always three steps, the quickest first."""

    meaning: str
    cause: str
    steps: tuple[str, str, str]


def remedy_of(code: str) -> Remedy | None:
    """The remedy of a code, None for one that nobody wrote."""
    if code.startswith(QUARANTINE):
        return _SET_ASIDE.get(code.removeprefix(QUARANTINE))
    return REMEDIES.get(code)


_LOOK = N_("Open the gateway's log: the line names channel and value.")
_NOTHING_LOST = N_("Nothing is billed from it and nothing is lost: a person decides when the period closes.")
_TELL = N_("If it comes again, tell whoever runs the server the time shown here.")
_COMPARE = N_("Compare the meter's own display with the last reading on this page.")

REMEDIES: Mapping[str, Remedy] = {
    "no-contact": Remedy(
        N_("The gateway has not been heard for two heartbeats. It goes on counting and keeps everything."),
        N_("Power or network at the site is off."),
        (
            N_("Look whether its light is on; if not, check plug and fuse."),
            N_("Check the router at the site, then the cable or the Wi-Fi."),
            N_("Take out power for ten seconds; it sends what it kept by itself."),
        ),
    ),
    "reading-set-aside": Remedy(
        N_("A reading made no sense and was put aside. It is not billed."),
        N_("A disturbed line, or a device that answered in the wrong moment."),
        (_LOOK, N_("Check the terminator and the shield of the meter line."), _TELL),
    ),
    "replay-refused": Remedy(
        N_("An old radio message came again and was refused."),
        N_("Another device repeats the meter's messages, or somebody plays them back."),
        (
            N_("Nothing is billed twice: the message was counted once."),
            N_("Look for a repeater near the meter; switch it off."),
            N_("Give the meter a new key if it goes on."),
        ),
    ),
    "wrong-meter": Remedy(
        N_("Another meter answers in the place of the expected one. Nothing is read from it."),
        N_("The meter was exchanged without a record, or two have the same address."),
        (
            N_("Read the serial number on the meter."),
            N_("If it was exchanged: record the exchange with closing and opening value."),
            N_("If not: find the second meter with the same address and change it."),
        ),
    ),
    "gap": Remedy(
        N_("No readings came for a while. The counts of that time are in the next total."),
        N_("A cable, the meter's power, or a radio out of reach."),
        (
            N_("Check cable and power of the meter."),
            N_("For radio: move the gateway closer, or raise its antenna."),
            N_("Do nothing more: the next reading closes the gap, and the contract says how it is priced."),
        ),
    ),
    "meter-exchanged": Remedy(
        N_("The gateway saw another serial number and recorded an exchange."),
        N_("Somebody changed the meter."),
        (
            N_("Compare both serial numbers with the record of the exchange."),
            _COMPARE,
            N_("Confirm the exchange; the ledger goes on from the old total."),
        ),
    ),
    "meter-reset": Remedy(
        N_("The meter's register began anew."),
        N_("The meter lost its memory, was reset by hand, or was exchanged for one of the same number."),
        (
            N_("Go and look at the meter: is it the same, is its seal whole?"),
            _COMPARE,
            N_("If it was exchanged, record it with closing and opening value."),
        ),
    ),
    "card-restored": Remedy(
        N_("The gateway came back with an older state of its card."),
        N_("Somebody put in a copy of the card, or a backup was played back."),
        (
            N_("Nothing is billed twice: the books know what came after."),
            N_("Ask who changed the card."),
            N_("If nobody did, give the gateway a new card and enrol it again."),
        ),
    ),
    "card-lost-a-write": Remedy(
        N_("A batch exists twice with different content: the card forgot what it had confirmed."),
        N_("The card is worn out or not genuine."),
        (
            N_("Nothing is billed twice: the first one stands."),
            N_("Replace the card with one of industrial grade."),
            N_("Check the power supply: sudden cuts wear cards out."),
        ),
    ),
    "clone": Remedy(
        N_("Two gateways sign with one key."),
        N_("The card was copied and both copies run, or the key was stolen."),
        (
            N_("Find both devices; switch one off."),
            N_("Revoke it. Move the data folder of the one that stays away and start it with a new claim."),
            N_("Ask the auditor to look at what came in since the alarm."),
        ),
    ),
    "log-set-back": Remedy(
        N_("This server's database is older than what its log has shown, or somebody says so."),
        N_("A database or a whole machine came back from a copy."),
        (
            N_("Ask who brought it back, and from which day."),
            N_("If it came back: stop the server, run `tallystick log begin-epoch`, and start it again."),
            N_("If not: look at the gateway that says so, and at who has the log's key."),
        ),
    ),
    "batch-lost": Remedy(
        N_("Sealed batches on the gateway cannot be read any more."),
        N_("A damaged card."),
        (
            N_("Replace the card soon: more may follow."),
            N_("The next reading closes the gap in the counts."),
            N_("Look under open spans when the month is closed."),
        ),
    ),
    "batches-lost": Remedy(
        N_("The gateway declared a span of batches as lost. The chain goes on after it."),
        N_("A damaged card, or one that was exchanged before everything was sent."),
        (
            N_("Keep the old card: what is on it may still be read."),
            N_("Replace the card when it is the same one."),
            N_("The counts are in the next total; a person decides about single uses."),
        ),
    ),
    "store-full": Remedy(
        N_("The gateway's store is full. Counters go on, details are no longer kept."),
        N_("It could not send for a long time."),
        (
            N_("Bring the network back; it empties itself in minutes."),
            N_("Look whether something else fills the card."),
            N_("Use a larger card when the site is often without network."),
        ),
    ),
    "part-given-up": Remedy(
        N_("Somebody decided that a part no program could read is not waited for any more."),
        N_("It was damaged for good; the alarm's text says who decided and why."),
        (
            N_("Look whether the gateway's card or memory is damaged: what spoilt one part may spoil more."),
            N_("Decide on the uses that stay open because of it, when the period closes."),
            N_("Close this alarm when that is done."),
        ),
    ),
    "second-gateway": Remedy(
        N_("The site has another gateway, and the one before it was not revoked: what both read is billed twice."),
        N_("The machine was exchanged, or somebody used a new claim on a second one."),
        (
            N_("Let the old one hand over what it has: its page says when it was heard last."),
            N_("Switch it off and revoke it; its card must not come back into use."),
            N_("Dispute or reverse what both have billed since."),
        ),
    ),
    "gateway-revoked": Remedy(
        N_("Somebody decided that nothing of this gateway is taken any more."),
        N_("It was lost, sold, copied or exchanged; the alarm's text says why."),
        (
            N_("If the site goes on: make a new claim. The same device needs an empty data folder for it."),
            N_("Start the broker anew, so that it reads the new revocation list."),
            N_("Close this alarm when the site is in order."),
        ),
    ),
    "command-refused": Remedy(
        N_("The gateway did not carry out a command and signed why."),
        N_("Its program is older than the command, or the command came too late."),
        (
            N_("Compare its software with that of the other gateways; update the older one."),
            N_("Give the command again."),
            _TELL,
        ),
    ),
    "upload-ends-process": Remedy(
        N_("The server's program ends, or stands still, over something that the gateway sent. Nothing of it is taken."),
        N_("A fault in the server's program, or a gateway that means harm. The others go on."),
        (
            N_("Update the server; the gateway keeps everything and sends it again by itself."),
            N_("If it comes again, send the makers the server's log of the time shown here."),
            N_("If the gateway is strange to you: revoke it."),
        ),
    ),
    "tamper": Remedy(
        N_("The meter reports that somebody tampered with it."),
        N_("A cover was opened, or a strong magnet is near."),
        (
            N_("Go and look; take photos before you touch anything."),
            N_("Check seals and their numbers."),
            N_("Tell the owner and the community manager in writing."),
        ),
    ),
}


def _aside(meaning: str, cause: str, first: str, second: str = _LOOK, third: str = _NOTHING_LOST) -> Remedy:
    return Remedy(meaning, cause, (first, second, third))


_FORMAT = _aside(
    N_("A part of a batch cannot be read."),
    N_("The gateway runs a program that is older or newer than this server."),
    N_("Compare its software with that of the other gateways; update the older side."),
)
_SERVER = _aside(
    N_("The gateway was refused something it may not do."),
    N_("Its key or its time does not fit, or it was moved to another community."),
    N_("Look whether the gateway is enrolled here and its certificate is in date."),
)
_NUMBERS = _aside(
    N_("A number that may come once came again, or counts overlap."),
    N_("The card was copied, or a backup was played back."),
    N_("Ask who changed the card of this gateway."),
)
_JUMP = _aside(
    N_("The meter's total moved in a way that no meter does."),
    N_("A reading error on the line, a reset, or an exchange without a record."),
    _COMPARE,
)
_PAPER = _aside(
    N_("A reading came for which nothing is agreed: no channel record, no contract, or nobody who pays."),
    N_("The meter was connected before its papers were ready."),
    N_("Complete the site's meter plan or the contract; what comes from then on is priced."),
)
_TIME = _aside(
    N_("The time of a reading is not known, or it came later than the contract allows."),
    N_("The gateway was long without network, or its clock stood."),
    N_("Bring the network back so that the clock can be set."),
)
_METER = _aside(
    N_("The meter does not answer, or what it answers cannot be understood."),
    N_("Cable, address, speed or profile of the meter are wrong."),
    N_("Check address, speed and parity of the meter line."),
)
_PROGRAM = _aside(
    N_("The server's own program failed on a part. The part is kept, and later ones of its channel wait behind it."),
    N_("A fault in the program. Nothing is wrong at the gateway or the meter."),
    N_("Whoever runs the server looks into its log: the error stands there once, with the part's place."),
    N_("Update the server. It takes the part by itself when it starts, or at once: tallystick quarantine retry."),
    N_("Nothing is lost: what waits is billed then, once and in its order."),
)
_SIGNED = _aside(
    N_("A record that the meter signed itself does not bear out what the gateway counted."),
    N_("Another meter's key is registered, the meter was exchanged, or a record was changed on its way."),
    N_("Compare the public key on the meter with the one in the site's meter plan."),
    N_("Compare the record's readings with the use; the use is billed as the gateway signed it, one level lower."),
)
_CARD = _aside(
    N_("Something the gateway had sealed is missing, or its store is full."),
    N_("A damaged or full card."),
    N_("Check the card of the gateway, and replace it when it is old."),
)

_REVERSED = Remedy(
    N_("People decided that this use counts as if it had never been. Fee and shares were given back."),
    N_("A dispute about it was right."),
    (
        N_("Open the dispute: it says who decided, and why."),
        N_("Look for the correction on the statements of the payer and of the parties."),
        N_("Nothing is left to do: what is decided stays."),
    ),
)

_SET_ASIDE: Mapping[str, Remedy] = {
    reason.name.lower().replace("_", "-"): remedy
    for remedy, reasons in (
        (_FORMAT, (Reason.UNSUPPORTED, Reason.MALFORMED, Reason.PART_HASH)),
        (_SERVER, (Reason.NOT_PERMITTED, Reason.EXPIRED)),
        (_NUMBERS, (Reason.NUMBER_REUSED, Reason.REPLAYED, Reason.TOTAL_OVERLAP, Reason.FORK, Reason.RESTORED)),
        (
            _JUMP,
            (
                Reason.IMPLAUSIBLE_JUMP,
                Reason.FELL,
                Reason.SERIAL_UNEXPECTED,
                Reason.GENERATION_UNEXPLAINED,
                Reason.USE_UNEXPLAINED,
            ),
        ),
        (_PAPER, (Reason.NO_DESCRIPTOR, Reason.NO_CONTRACT, Reason.NO_PAYER, Reason.CONFIGURATION)),
        (_TIME, (Reason.UNKNOWN_TIME, Reason.TOO_LATE, Reason.STALE)),
        (_METER, (Reason.METER_SILENT, Reason.DECODE)),
        (_PROGRAM, (Reason.INTERNAL, Reason.HELD)),
        (_SIGNED, (Reason.METER_SIGNATURE,)),
        (_REVERSED, (Reason.REVERSED,)),
        (_CARD, (Reason.ABSENT, Reason.LOST, Reason.STORE_FULL)),
    )
    for reason in reasons
}
