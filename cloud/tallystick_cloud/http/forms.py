"""Forms that several pages have: a button alone, and the box beside what cannot be undone.

It never reads a form; route.py does, against these."""

from typing import Literal

from pydantic import BaseModel

FORM = "application/x-www-form-urlencoded"
"""What a route takes whose form has no file."""


class NoFields(BaseModel):
    """A button alone."""


class SureForm(BaseModel):
    """`sure`: the box beside "this cannot be undone"; a form without it is refused."""

    sure: Literal["yes"]
