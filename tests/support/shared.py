"""A contract whose washing machine two people share; the house pays what neither claims."""

from support.books import WASHES

_ALONE = '[[user]]\nname = "Anna"\n[[asset]]\nasset = "washer"\nquantity = "cycles"\nuser = "Anna"'
_TOGETHER = (
    '[[user]]\nname = "Anna"\n[[user]]\nname = "Ben"\n[[asset]]\nasset = "washer"\nquantity = "cycles"\n'
    'user = "Coop"\nshared_by = ["Anna", "Ben"]'
)
assert _ALONE in WASHES
SHARED = WASHES.replace(_ALONE, _TOGETHER)
