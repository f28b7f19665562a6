"""Tables as people keep them: what a spreadsheet writes as CSV, in any of its manners.

It never guesses what a cell means.
"""

BOM = "\ufeff"


def plain(text: str) -> str:
    """The text without the mark that some programs put before it."""
    return text.removeprefix(BOM)


def delimiter(text: str) -> str:
    """What stands between cells: a semicolon where spreadsheets write decimals with a comma."""
    head = plain(text).partition("\n")[0]
    return ";" if ";" in head and "," not in head else ","


def number(cell: str, between: str) -> str:
    """A decimal with a point; a comma in it is one only where it does not stand between cells."""
    return cell.replace(",", ".") if between == ";" and cell.count(",") == 1 and "." not in cell else cell
