"""The marks of a tracking code, for pages, letters and receipts: Code 128 and QR, as SVG.

The libraries encode (ISO/IEC 15417, ISO/IEC 18004); what they encode is drawn here, so that nothing
of it asks for a font, a script or a host.
"""

from dataclasses import dataclass
from itertools import groupby

import segno
from barcode.codex import Code128
from markupsafe import Markup, escape

from tellal.domain.tracking import grouped

_QUIET = 10
"""Modules that stay empty on either side of a Code 128 (ISO/IEC 15417)."""
_HEIGHT = 40
_LINE = 14
_QR_QUIET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingMarks:
    """A code as people read it, where it leads, and as machines read it.

    `code128` says the code alone, for a reader at a desk; `qr` says the address, for a telephone.
    Each is a whole SVG document that can stand in a page, too.
    """

    code: str
    grouped: str
    address: str
    code128: Markup
    qr: Markup


def tracking_marks(code: str, public_url: str) -> TrackingMarks:
    """Return the marks of a code; `public_url` is where the public finds us."""
    address = f"{public_url.rstrip('/')}/track/{code}"
    return TrackingMarks(
        code=code,
        grouped=grouped(code),
        address=address,
        code128=code_128(code),
        qr=qr(address, label=grouped(code)),
    )


def code_128(code: str) -> Markup:
    """Draw a Code 128, with what it says written below."""
    (modules,) = Code128(code).build()
    bars, x = [], _QUIET
    for dark, run in groupby(modules, key="1".__eq__):
        width = len(list(run))
        if dark:
            bars.append(f"M{x} 0h{width}v{_HEIGHT}h-{width}z")
        x += width
    width = x + _QUIET
    words = grouped(code)
    text = Markup(
        '<text x="{}" y="{}" font-family="monospace" font-size="{}" text-anchor="middle">{}</text>'
    ).format(width // 2, _HEIGHT + _LINE - 3, _LINE - 2, words)
    return _svg(width, _HEIGHT + _LINE, "".join(bars), f"Code 128: {words}", text)


def qr(content: str, *, label: str) -> Markup:
    """Draw a QR code that a scratch or a fold does not make unreadable (level M)."""
    found = segno.make(content, error="m", micro=False)
    rows = [list(row) for row in found.matrix]
    path = []
    for y, row in enumerate(rows, start=_QR_QUIET):
        x = _QR_QUIET
        for dark, run in groupby(row, key=bool):
            width = len(list(run))
            if dark:
                path.append(f"M{x} {y}h{width}v1h-{width}z")
            x += width
    size = len(rows) + 2 * _QR_QUIET
    return _svg(size, size, "".join(path), f"QR: {label}")


def _svg(width: int, height: int, path: str, label: str, more: Markup = Markup("")) -> Markup:  # noqa: B008 - it cannot be changed
    # Dark on light also where the reader wants dark pages: a reader of marks knows nothing else.
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" role="img" '
        'aria-label="{2}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{0}v{1}H0z"/>'
        '<path fill="#000" d="{3}"/>{4}</svg>'
    ).format(width, height, escape(label), path, more)
