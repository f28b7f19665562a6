"""Reads the text of a contract file: bounded, UTF-8, with the place of what is not.

It never guesses an encoding.
"""

from pathlib import Path

from tallystick_protocol.money.contract_toml import FILE_CHARACTERS_MAX
from tallystick_protocol.money.toml_lines import line_of, lines_of

from tallystick_cloud.errors import BadInput

from .errors import ContractRefused

FILE_BYTES_MAX = 4 * FILE_CHARACTERS_MAX  # a character has at most four bytes in UTF-8


def contract_text(path: Path) -> str:
    """Line ends of any system become line feeds. Raises BadInput naming the file, and the line where it can."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror or error}; check the path") from None
    if len(data) > FILE_BYTES_MAX:
        raise BadInput(str(path), f"is larger than {FILE_BYTES_MAX} bytes; make two contracts of it")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInput(str(path), "line 1: file: is UTF-16; save it as UTF-8")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(str(path), f"line {line}: file: is not UTF-8; save it as UTF-8") from None
    return text.replace("\r\n", "\n")


def in_file(path: Path, text: str, refused: ContractRefused) -> BadInput:
    """The refusal of a contract that was read from a file, with the line of what it is about."""
    field = refused.field.removeprefix("contract.")
    for ours, written in (("assets", "asset"), ("parties", "party")):
        field = written + field.removeprefix(ours) if field.startswith(ours) else field
    line = line_of(lines_of(text), field)
    return BadInput(str(path), f"line {line}: {field}: {refused.reason}" if line else f"{field}: {refused.reason}")
