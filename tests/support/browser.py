"""Asks axe-core, in a real browser, what on a page keeps people out."""

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_RUN = (
    "axe.run(document).then(found => {"
    "const told = document.createElement('pre'); told.id = 'found';"
    "told.textContent = JSON.stringify({passes: found.passes.length, width: innerWidth,"
    "wide: document.documentElement.scrollWidth, "
    "dark: matchMedia('(prefers-color-scheme: dark)').matches,"
    "violations: found.violations.map("
    "one => [one.id, one.nodes.map(node => node.html).slice(0, 3)])});"
    "document.body.append(told)})"
)


def found_by_axe(html: str, folder: Path, scheme: str, width: int) -> dict[str, Any]:
    """Return what Axe-core's rules of WCAG 2.2 A and AA and its best practices find in a page."""
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page = folder / "page.html"
    page.write_text(
        html.replace("</body>", f"<script>{axe}</script><script>{_RUN}</script></body>"), "utf-8"
    )
    return _found_by_a_browser(page, folder / "profile", scheme, width)


def _found_by_a_browser(page: Path, profile: Path, scheme: str, width: int) -> dict[str, Any]:
    assert CHROMIUM is not None
    shown = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            f"--window-size={width},900",
            f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    (told,) = re.findall(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    found: dict[str, Any] = json.loads(
        told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
    return found
