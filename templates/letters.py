"""Letters on paper as PDF: a letterhead, paragraphs, and the letters of Turkish and Polish.

The font comes from a wheel and is embedded, so that a letter looks the same wherever it is printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from font_roboto import font_files
from fpdf import FPDF

from templates.environment import make_environment
from templates.library import DEFAULT_LANGUAGE

_FOLDER = files("templates") / "paper"
_FAMILY = "roboto"
_MARGIN_MM = 25
_SIZE, _SMALL, _LINE_MM = 11, 9, 5.5
_SUBJECT = "Subject:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What stands in a letter; `sender` are the lines of the letterhead."""

    sender: Sequence[str]
    day: str
    subject: str
    paragraphs: Sequence[str]


class Letters:
    """Writes letters: words from `templates/paper/<name>.<language>.j2`, then a PDF."""

    def __init__(self) -> None:
        self._environment = make_environment(_load)

    def write(self, name: str, language: str, variables: Mapping[str, object]) -> tuple[str, str]:
        """Return subject and words of a letter, in the language or in English."""
        own = language if _load(f"{name}.{language}.j2") is not None else DEFAULT_LANGUAGE
        words = self._environment.get_template(f"{name}.{own}.j2").render(variables)
        head, _, text = words.partition("\n")
        return head.removeprefix(_SUBJECT).strip(), text.strip()

    def print(self, letter: Letter, at: datetime) -> bytes:
        """Return a letter as PDF; the same letter of the same instant is the same file."""
        page = FPDF(format="A4")
        page.set_creation_date(at.astimezone(UTC))
        page.set_title(letter.subject)
        page.set_margin(_MARGIN_MM)
        page.add_font(_FAMILY, fname=font_files["Roboto"])
        page.add_font(_FAMILY, style="B", fname=font_files["RobotoBold"])
        page.add_page()
        page.set_font(_FAMILY, "B", _SIZE + 2)
        page.cell(text=letter.sender[0], new_x="LMARGIN", new_y="NEXT")
        page.set_font(_FAMILY, "", _SMALL)
        for line in letter.sender[1:]:
            page.cell(text=line, new_x="LMARGIN", new_y="NEXT")
        page.ln(2 * _LINE_MM)
        page.set_font(_FAMILY, "", _SIZE)
        page.cell(w=0, text=letter.day, align="R", new_x="LMARGIN", new_y="NEXT")
        page.ln(_LINE_MM)
        page.set_font(_FAMILY, "B", _SIZE)
        page.multi_cell(w=0, h=_LINE_MM, text=letter.subject, new_x="LMARGIN", new_y="NEXT")
        page.ln(_LINE_MM)
        page.set_font(_FAMILY, "", _SIZE)
        for paragraph in letter.paragraphs:
            page.multi_cell(w=0, h=_LINE_MM, text=paragraph, new_x="LMARGIN", new_y="NEXT")
            page.ln(_LINE_MM / 2)
        return bytes(page.output())


def _load(name: str) -> str | None:
    file = _FOLDER / name
    return file.read_text(encoding="utf-8") if file.is_file() else None
