"""A value as people read it on the meter; for commands, never for money."""

from __future__ import annotations

from decimal import Decimal

from tallystick_edge.profile import Register


def shown(register: Register, value: int) -> str:
    """As the meter's display says it: 1234.567 kWh for 1,234,567 Wh."""
    kilo = register.unit in ("Wh", "W") and register.name.startswith("energy")
    number = Decimal(value).scaleb(register.exponent - (3 if kilo else 0))
    return f"{number:f} {'k' if kilo else ''}{register.unit}"
