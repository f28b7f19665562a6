"""Words for people: which language, and how money, counts, times and spans are written in it.

It never reads a clock and never computes an amount; floats are not used, nano and milliseconds come as integers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Day
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime, format_time, get_timezone_name
from babel.numbers import format_decimal, get_decimal_symbol
from babel.support import Translations

LOCALES = {"en": "en_150"}
"""Languages there are catalogs for, and the regional form used for each (en_150: English with European habits)."""
DEFAULT = "en"
NUMBERS = {
    "en": "en_150", "de": "de", "de-CH": "de_CH", "de-LI": "de_LI", "fr": "fr", "fr-CH": "fr_CH", "it": "it",
    "it-CH": "it_CH", "es": "es", "es-MX": "es_MX", "ca": "ca", "pt": "pt_PT", "pt-BR": "pt", "nl": "nl", "da": "da",
    "sv": "sv", "nb": "nb", "no": "nb", "fi": "fi", "et": "et", "lv": "lv", "lt": "lt", "pl": "pl", "cs": "cs",
    "sk": "sk", "sl": "sl", "hr": "hr", "hu": "hu", "ro": "ro", "bg": "bg", "el": "el", "tr": "tr",
}  # fmt: skip
"""How readers of each language write numbers: to a German 1,234 is one and a bit, whatever language the words are in.
A closed list, because each has a live stream of its own."""
NARROW_SPACE, SPACE = "\u202f", "\u00a0"  # the first is in few fonts
CATALOGS = Path(__file__).parent.parent / "locale"
NANO_EXPONENT = -9
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def N_(text: str) -> str:
    """Marks a text for translation; it is translated where it is shown."""
    return text


@lru_cache(maxsize=len(LOCALES))
def translations(language: str) -> NullTranslations:
    """The catalog of a language; English is the source text itself."""
    return Translations.load(CATALOGS, [language])


def negotiate(accept_language: str, chosen: str | None = None) -> str:
    """The best language we have for a browser's Accept-Language, or the one chosen by hand."""
    if chosen in LOCALES:
        return str(chosen)
    return negotiate_locale(_wanted(accept_language), list(LOCALES), sep="-") or DEFAULT


def negotiate_numbers(accept_language: str) -> str:
    """A key of NUMBERS: how the reader writes numbers."""
    return negotiate_locale(_wanted(accept_language), list(NUMBERS), sep="-") or DEFAULT


def _wanted(accept_language: str) -> list[str]:
    return [one for part in accept_language.split(",") if (one := part.split(";")[0].strip())]


@dataclass(frozen=True, slots=True)
class Wording:
    """One language in one time zone; every number, amount and time on a page goes through it.
    `numbers`: a key of NUMBERS, because words come in fewer languages than numbers."""

    language: str
    zone: ZoneInfo
    numbers: str = DEFAULT

    @property
    def locale(self) -> Locale:
        """Babel's locale."""
        return Locale.parse(LOCALES[self.language])

    @property
    def gettext(self) -> Callable[[str], str]:
        """The translation function."""
        return translations(self.language).gettext

    def count(self, number: int) -> str:
        """A whole number, grouped: 184,765."""
        return _grouped(number, self.numbers)

    def decimal(self, number: int | Decimal, pattern: str) -> str:
        """A number in a pattern of Babel's: 1,834.207 for #,##0.###."""
        return _in_pattern(number, pattern, self.numbers)

    @property
    def point(self) -> str:
        """What stands before decimals."""
        return _point(self.numbers)

    def money(self, nano: int) -> str:
        """Nano of a unit with two decimals, half up: 9,137.35."""
        return self._decimal(Decimal(nano).scaleb(NANO_EXPONENT), 2)

    def cents(self, nano: int) -> str:
        """A price below a unit in hundredths with two decimals: 18.76."""
        return self._decimal(Decimal(nano).scaleb(NANO_EXPONENT + 2), 2)

    def percent(self, part: Fraction) -> str:
        """A part of a whole in hundredths with at most two decimals: 12.35."""
        hundredths = Decimal(round(part * 10_000)).scaleb(-2)
        return self.decimal(hundredths, "#,##0.##")

    def when(self, ms: int) -> datetime:
        """A stamp in the city's zone."""
        return datetime.fromtimestamp(ms // 1000, UTC).astimezone(self.zone)

    def iso(self, ms: int) -> str:
        """A stamp for machines, with the zone's offset."""
        return self.when(ms).isoformat()

    def clock(self, ms: int) -> str:
        """Time of day with seconds, 24 hours."""
        return str(format_time(self.when(ms), "HH:mm:ss", tzinfo=self.zone, locale=self.locale))

    def time(self, ms: int) -> str:
        """Time of day, 24 hours."""
        return str(format_time(self.when(ms), "HH:mm", tzinfo=self.zone, locale=self.locale))

    def date(self, ms: int) -> str:
        """A day: 22 Nov 2026."""
        return str(format_date(self.when(ms), "d MMM y", locale=self.locale))

    def day(self, day: Day) -> str:
        """A day that is stored as one, in no zone: 22 Nov 2026."""
        return str(format_date(day, "d MMM y", locale=self.locale))

    def month(self, year: int, number: int) -> str:
        """A month: November 2026."""
        return str(format_date(Day(year, number, 1), "LLLL y", locale=self.locale))

    def weekday(self, day: Day) -> str:
        """A day with its weekday: Tue 24 Nov."""
        return str(format_date(day, "EEE d MMM", locale=self.locale))

    def moment(self, ms: int, now_ms: int) -> str:
        """Time of day, with the date when it is another day than now."""
        if self.when(ms).date() == self.when(now_ms).date():
            return self.time(ms)
        return str(format_datetime(self.when(ms), "d MMM HH:mm", tzinfo=self.zone, locale=self.locale))

    def day_time(self, ms: int) -> str:
        """A day with the time of day: 22 Nov 07:49."""
        return _day_time(ms - ms % _MINUTE, self.zone, self.language)

    def zone_name(self, ms: int) -> str:
        """The zone's short name at that time: CET."""
        return str(get_timezone_name(self.when(ms), width="short", locale=Locale.parse("en_GB")))

    def span(self, ms: int) -> tuple[str, str]:
        """A length of time as (number, unit), in the unit a person would choose: ('6.2', 's'), ('22', 'min')."""
        if ms < _MINUTE:
            return self._decimal(Decimal(max(ms, 0)) / _SECOND, 1), "s"
        if ms < 2 * _HOUR:
            return self.count(ms // _MINUTE), "min"
        if ms < 2 * _DAY:
            return self.count(ms // _HOUR), "h"
        return self.count(ms // _DAY), "d"

    def _decimal(self, number: Decimal, places: int) -> str:
        rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        return self.decimal(rounded, f"#,##0.{'0' * places}")


FORMATTED = 8_192
"""Texts that are remembered: a statement writes the same small amounts and minutes thousands of times."""


@lru_cache(maxsize=FORMATTED)
def _in_pattern(number: int | Decimal, pattern: str, numbers: str) -> str:
    return str(format_decimal(number, format=pattern, locale=NUMBERS[numbers])).replace(NARROW_SPACE, SPACE)


def _grouped(number: int, numbers: str) -> str:
    """Numbers below a thousand are written alike in every language that we know."""
    return str(number) if 0 <= number < 1_000 else _in_pattern(number, "#,##0", numbers)


@lru_cache(maxsize=FORMATTED)
def _day_time(minute_ms: int, zone: ZoneInfo, language: str) -> str:
    at = datetime.fromtimestamp(minute_ms // 1000, UTC).astimezone(zone)
    return str(format_datetime(at, "d MMM HH:mm", tzinfo=zone, locale=Locale.parse(LOCALES[language])))


@lru_cache(maxsize=len(NUMBERS))
def _point(numbers: str) -> str:
    return str(get_decimal_symbol(NUMBERS[numbers]))
