"""Takes the pictures of the status page for the documents.

`python -m tests.support.screenshots` does. They show an invented distributor. Chromium must be on
PATH; the folder may be named.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tellal.domain.status import Snapshot
from templates.status.addresses import served
from templates.status.page import StatusPage
from templates.status.words import Words
from tests.support.public import EXAMPLE, EXERCISE

FOLDER = Path(__file__).parents[2] / "docs" / "outages"
_SHOTS = (
    ("status-en.png", EXAMPLE, "en", "light", (820, 1180)),
    ("status-tr-dark.png", EXERCISE, "tr", "dark", (500, 1100)),
)


def main(folder: Path = FOLDER) -> None:
    """Take every picture."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("chromium is not on PATH")
    with tempfile.TemporaryDirectory() as place:
        for name, snapshot, language, scheme, size in _SHOTS:
            page = Path(place) / f"{name}.html"
            page.write_text(_html(snapshot, language), encoding="utf-8")
            _shoot(browser, page, folder / name, scheme, size)


def _html(snapshot: Snapshot, language: str) -> str:
    words = Words(language, snapshot.brand.timezone)
    to = served("https://durum.example", snapshot, language)
    return StatusPage().html(snapshot, words, to, stale=False)


def _shoot(browser: str, page: Path, picture: Path, scheme: str, size: tuple[int, int]) -> None:
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={page.parent / 'profile'}",
            f"--window-size={size[0]},{size[1]}",
            f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
