"""`tellal templates` and `tellal routes`, as those who write and those on duty use them."""

from pathlib import Path

import pytest
from sqlalchemy import insert, update

from tellal.clock import SystemClock
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.delivery import RouteStateRow
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand
from tests.support.terminal import run

ROUTES = """\
version: 1
routes:
  - id: ours
    provider: twilio
    channel: sms
    rate: 40
    price: {amount: '0.0500', currency: USD}
    carries:
      - {countries: [TR], classes: [service, mandatory], reserved: 5}
      - {classes: [commercial], urls: true}
  - {id: letters, provider: smtp, channel: email, carries: [{classes: [service], urls: true}]}
"""


@pytest.fixture
def routes(tmp_path: Path) -> str:
    """A table of routes in a file."""
    path = tmp_path / "ours.yaml"
    path.write_text(ROUTES, encoding="utf-8")
    return str(path)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder with one text that holds a link."""
    folder = tmp_path / "texts"
    (folder / "case_opened").mkdir(parents=True)
    (folder / "case_opened" / "sms.tr.j2").write_text("Bkz. ornek.com.tr", encoding="utf-8")
    (folder / "case_opened" / "example.json").write_text("{}", encoding="utf-8")
    return folder


def test_the_texts_that_ship_are_in_order() -> None:
    said = run("templates", "lint")

    assert said.code == 0, said.err
    assert said.out.endswith("The texts are in order.\n")
    assert "phishing_awareness/sms.tr.j2: " in said.out


def test_a_link_warns_or_refuses_as_the_routes_say(texts: Path, routes: str) -> None:
    warned = run("templates", "lint", str(texts), TELLAL_TWILIO__ACCOUNT_SID="AC1")
    refused = run("templates", "lint", str(texts), TELLAL_ROUTES=routes)

    assert warned.code == 0
    assert "case_opened/sms.tr.j2:1:1: warning: its link does not reach TR" in warned.out
    assert refused.code == 1
    assert "no route carries its link: ours carries no links to TR" in refused.out


def test_a_text_is_shown_as_its_example_fills_it_in(tmp_path: Path) -> None:
    said = run("templates", "preview", "case_opened_push", "push", "--language", "tr")
    nowhere = run("templates", "preview", "x", "sms", "--folder", str(tmp_path / "nowhere"))

    assert said.code == 0, said.err
    assert said.out.startswith("Subject: Başvurunuz")
    assert nowhere.code == 1
    assert "there is no folder" in nowhere.err


def test_rules_are_checked_with_the_routes_that_are_set_up(routes: str, tmp_path: Path) -> None:
    text = Path(routes).read_text(encoding="utf-8").replace("classes: [service, ", "classes: [")
    Path(routes).write_text(text, encoding="utf-8")

    said = run("rules", "check", TELLAL_ROUTES=routes)
    broken = run("rules", "check", TELLAL_ROUTES=str(tmp_path / "nowhere.yaml"))

    assert said.code == 1
    assert "service sms goes nowhere: no route of the table takes it" in said.out
    assert broken.code == 1
    assert "cannot be read" in broken.err
    assert "Traceback" not in broken.err


async def test_routes_are_shown_with_how_they_are_doing(
    routes: str, sessions: Sessions, database_url: str
) -> None:
    now = SystemClock().now()
    async with sessions() as tx, tx.begin():
        await tx.execute(
            insert(table(RouteStateRow)).values(
                route="ours",
                tokens=3.0,
                refilled_at=now.replace(year=now.year + 1),
                paused_until=None,
                failures=0,
                open_until=now.replace(year=now.year + 1),
                opened_times=2,
                reason="timeout",
            )
        )

    said = run(
        "routes",
        TELLAL_ROUTES=routes,
        TELLAL_DATABASE_URL=database_url,
        TELLAL_TWILIO__ACCOUNT_SID="AC1",
    )

    assert said.code == 0, said.err
    ours, turkey, others, letters, mails = said.out.splitlines()
    assert ours.split()[:4] == ["ours", "sms", "twilio", "open"]
    assert f"until {now.year + 1}" in ours
    assert ours.endswith("because of timeout  40/s, 3 now  0.0500 USD")
    assert turkey.strip() == "TR: mandatory, service; no links; 5 characters are added"
    assert others.strip() == "others: commercial; links"
    assert letters.split() == ["letters", "email", "smtp", "not", "set", "up"]
    assert mails.strip() == "others: service; links"


@pytest.mark.req("D41", "blocks")
@pytest.mark.req("D41", "allows")
async def test_texts_are_looked_at_as_a_brand_s_by_the_law_of_its_country(
    sessions: Sessions, database_url: str
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
    whole = run("templates", "lint", "--brand", brand.name, TELLAL_DATABASE_URL=database_url)
    async with sessions() as tx, tx.begin():
        await tx.execute(update(table(BrandRow)).values(mersis=""))
    lacking = run("templates", "lint", "--brand", brand.name, TELLAL_DATABASE_URL=database_url)

    assert whole.code == 0, whole.out
    assert lacking.code == 1
    assert "sent by a company: the brand's profile has no MERSIS number" in lacking.out


@pytest.mark.req("D71")
def test_lint_says_without_what_a_text_is_refused_and_what_it_spares(tmp_path: Path) -> None:
    folder = tmp_path / "texts" / "case_opened"
    folder.mkdir(parents=True)
    words = "{{ customer.first_name | default('') }} {{ borc }}"
    (folder / "sms.en.j2").write_text(words, encoding="utf-8")
    (folder / "example.json").write_text('{"borc": "1"}', encoding="utf-8")

    said = run("templates", "lint", str(tmp_path / "texts"), "--variables")

    assert "sms.en.j2: refused without borc; does without customer.first_name" in said.out


@pytest.mark.req("D75")
def test_the_gallery_shows_every_text_on_one_page_that_needs_no_network(tmp_path: Path) -> None:
    folder = tmp_path / "texts" / "case_opened"
    folder.mkdir(parents=True)
    (folder / "sms.en.j2").write_text("Case {{ case.number }} <b>", encoding="utf-8")
    (folder / "sms.tr.j2").write_text("Kayıt {{ case.numbr }}", encoding="utf-8")
    (folder / "example.json").write_text('{"case": {"number": "7"}}', encoding="utf-8")
    (folder / "topic.json").write_text('{"languages": ["en", "tr"]}', encoding="utf-8")

    few = run("templates", "gallery", str(tmp_path / "few"), "--folder", str(tmp_path / "texts"))
    all_of_them = run("templates", "gallery", str(tmp_path / "all"))

    page = (tmp_path / "few" / "index.html").read_text(encoding="utf-8")
    assert (few.code, all_of_them.code) == (0, 0)
    assert "Case 7 &lt;b&gt;" in page
    assert "did you mean &#x27;number&#x27;?" in page
    assert "Refused without: case.number." in page
    whole = (tmp_path / "all" / "index.html").read_text(encoding="utf-8")
    assert whole.count("<article>") == len(JinjaRenderer().list_templates())
    assert "<script" not in whole
    assert "src=" not in whole


async def test_a_route_is_steered_and_its_history_read(routes: str, database_url: str) -> None:
    settings = {"TELLAL_ROUTES": routes, "TELLAL_DATABASE_URL": database_url}

    nothing = run("routes", "history", "ours", **settings)
    drained = run("routes", "drain", "ours", "--reason", "Works", "--by", "Ops", **settings)
    shown = run("routes", **settings)
    released = run("routes", "release", "ours", "--reason", "Over", "--by", "Ops", **settings)
    history = run("routes", "history", "ours", **settings)
    wrong = run("routes", "pin", "theirs", "--reason", "x", **settings)

    assert nothing.out.strip() == "The share of ours has never moved."
    assert "Next: tellal routes release ours" in drained.out
    assert "drained" in shown.out.splitlines()[0]
    assert released.out.startswith("ours has 100% of its weight")
    over, works = history.out.splitlines()
    assert "0% to 100%  released  by command line (Ops): Over" in over
    assert "100% to 0%  drained  by command line (Ops): Works" in works
    assert wrong.code == 1
    assert "no route 'theirs'; there are: letters, ours" in wrong.err
