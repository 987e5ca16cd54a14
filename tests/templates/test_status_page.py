"""The status page is for everybody: what its structure must be, and what a browser finds in it."""

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tellal.domain.status import Snapshot
from templates.status.addresses import in_folder, served
from templates.status.page import StatusPage
from templates.status.words import LANGUAGES, Words
from tests.support.browser import CHROMIUM, found_by_axe
from tests.support.public import EXAMPLE, EXERCISE, QUIET

PAGE = StatusPage()
SNAPSHOTS = {"busy": EXAMPLE, "exercise": EXERCISE, "quiet": QUIET}
_VOID = {"meta", "link", "br", "img", "input", "hr"}


def html_of(snapshot: Snapshot, language: str = "tr", *, stale: bool = False) -> str:
    words = Words(language, snapshot.brand.timezone)
    return PAGE.html(
        snapshot, words, served("https://durum.example", snapshot, language), stale=stale
    )


@dataclass
class Structure(HTMLParser):
    """What a page is made of, as somebody meets it who does not see it."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(tag)

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def structure_of(html: str) -> Structure:
    read = Structure()
    read.feed(html)
    read.close()
    return read


@pytest.mark.req("B05", "allows")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("which", SNAPSHOTS)
@pytest.mark.parametrize("stale", [False, True], ids=["fresh", "stale"])
def test_the_page_has_a_sound_structure(which: str, language: str, *, stale: bool) -> None:
    page = structure_of(html_of(SNAPSHOTS[which], language, stale=stale))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    ids = [one["id"] for _, one in page.elements if "id" in one]

    assert page.mistakes == page.open == []
    assert page.all("html") == [{"lang": language}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    assert page.all("main")[0]["id"] == "content"
    assert next(one for tag, one in page.elements if tag == "a")["href"] == "#content"
    assert all(one.get("aria-label") for one in page.all("nav"))
    assert len(ids) == len(set(ids))
    for one in (*page.all("section", "table"), *page.all("p")):
        for name in ("aria-labelledby", "aria-describedby"):
            assert one.get(name, ids[0]) in ids
    assert all("alt" in one for one in page.all("img"))
    assert all(one.get("scope") for one in page.all("th"))
    assert all(re.match(r"\d{4}-\d\d-\d\dT", one["datetime"]) for one in page.all("time"))
    assert page.all("script", "iframe", "object", "form") == []
    assert not any(name.startswith("on") for _, one in page.elements for name in one)


def test_nothing_comes_from_another_host() -> None:
    page = structure_of(html_of(EXAMPLE))

    addresses = [one["href"] for one in page.all("a", "link")] + [
        one["src"] for _, one in page.elements if "src" in one
    ]
    assert all(address.startswith(("/", "#", "tel:")) for address in addresses)
    assert "url(" not in html_of(EXAMPLE)


def test_pages_of_a_folder_name_files_beside_them() -> None:
    words = Words("tr", EXAMPLE.brand.timezone)
    html = PAGE.html(EXAMPLE, words, in_folder("https://durum.example", EXAMPLE, "tr"), stale=False)

    addresses = [one["href"] for one in structure_of(html).all("a", "link")]
    assert {"status.pl.html", "status.tr.atom", "status.tr.ics"} <= set(addresses)
    assert not any(address.startswith(("/", "http")) for address in addresses)


def test_what_people_typed_is_only_text() -> None:
    evil = replace(EXAMPLE.outages[0], reason="<script>alert(1)</script>", title="<i>")

    html = html_of(replace(EXAMPLE, outages=(evil,)))

    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<h3>&lt;i&gt;</h3>" in html


@pytest.mark.req("B08")
def test_the_page_says_why_until_when_and_what_to_do() -> None:
    html = html_of(EXAMPLE)

    for words in ("Yıldırım düşmesi", "Hassas cihazların fişini çekin.", "02.03.2026 15:00"):
        assert words in html
    assert "<s><time" in html  # what had been promised before


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, definition of contrast ratio)."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_stand_out_in_light_and_in_dark() -> None:
    html = html_of(EXAMPLE)
    light, dark = re.findall(r":root\{([^}]*)\}", html)

    for scheme in (light, dark):
        colours = dict(re.findall(r"--(\w+):(#\w+)", scheme))
        assert len(colours) == 9
        for name in colours.keys() - {"paper", "line"}:
            assert contrast(colours[name], colours["paper"]) >= 4.5, name


def test_what_is_in_another_language_says_so() -> None:
    assert '<h3 lang="tr">Tepebaşı trafo arızası</h3>' in html_of(EXAMPLE, "en")
    assert "<h3>Tepebaşı trafo arızası</h3>" in html_of(EXAMPLE, "tr")
    assert '<span lang="en">A new transformer' in html_of(EXAMPLE, "pl")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize("which", SNAPSHOTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_finds_nothing_that_keeps_people_out(
    tmp_path: Path, which: str, scheme: str, width: int
) -> None:
    """Axe-core's rules of WCAG 2.2 A and AA and its best practices, in a real browser."""
    found = found_by_axe(html_of(SNAPSHOTS[which], stale=which == "busy"), tmp_path, scheme, width)

    assert found["violations"] == []
    assert found["passes"] > 20
    assert found["dark"] == (scheme == "dark")
    assert found["wide"] <= max(found["width"], 500)
