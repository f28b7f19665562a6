"""A code to scan, as a picture for pages. It never says what is in it."""

import io

import segno

QR_ERROR = "m"
"""15 % of a code may be scratched; it is read in cellars."""


def qr_svg(text: str) -> str:
    """The QR code of a text as SVG without any style of its own."""
    out = io.BytesIO()
    code = segno.make(text, error=QR_ERROR, micro=False)
    code.save(out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=4, svgclass="qr", lineclass=None,
              nl=False)  # fmt: skip
    return out.getvalue().decode()
