"""Rules and texts are published as one revision, by people, with four eyes, and rolled back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.profiles import load_profiles
from rules.routing import load_routes
from tellal.domain.channels import Channel, Lane
from tellal.domain.customers import Brand
from tellal.domain.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    RulebookError,
)
from tellal.domain.messages import OutcomeState
from tellal.domain.publishing import Actor, Kind, Proposal, ProposalState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.rulebook import ActiveRow
from tellal.services import proposals, revisions, rulebook_log
from tellal.services.editions import Edition, pack, read_edition
from tellal.services.house import House, furnish
from tellal.services.publishing import Preview, Publishing
from tellal.services.shelf import Shelf
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.house import ROUTES, SetClock

PROMO = "templates/iscep_promo/sms.tr.j2"
EMAIL = "templates/iscep_promo/email.tr.j2"
RULES = "rules/iscep.yaml"
ADA = Actor(person="ada@bank.example", key_id="key-of-ada")
BOB = Actor(person="bob@bank.example", key_id="key-of-bob")
CAN = Actor(person="can@bank.example", key_id="key-of-can")
SHARED = Actor(person="", key_id="core-banking")

SHIPPED = read_edition(None)
"""What is in force while nothing has been published."""


def with_files(changed: Mapping[str, str | None], of: Edition = SHIPPED) -> Edition:
    """Change files of an edition; None takes one out."""
    files = {**of.files, **changed}
    return Edition({path: said for path, said in files.items() if said is not None})


def with_line(line: str, path: str = PROMO, of: Edition = SHIPPED) -> Edition:
    """Add a line to a file of an edition."""
    return with_files({path: f"{of.files[path].rstrip()}\n{line}\n"}, of)


@pytest.fixture
def publishing(clock: SetClock) -> Publishing:
    return a_publishing(clock)


def a_publishing(clock: SetClock, *, above: int = 0, folder: Edition = SHIPPED) -> Publishing:
    return Publishing(
        clock,
        folder=lambda: folder,
        routes=load_routes(),
        providers=(),
        above=above,
        profiles=load_profiles(),
    )


@pytest.fixture
async def bank(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
async def ayse(sessions: Sessions, bank: Brand) -> str:
    async with sessions() as tx, tx.begin():
        return await a_customer(tx, bank)


async def propose(
    sessions: Sessions, desk: Publishing, edition: Edition, actor: Actor = ADA
) -> Proposal:
    async with sessions() as tx, tx.begin():
        return (await desk.propose(tx, actor, edition, note="because")).proposal


async def approve(
    sessions: Sessions, desk: Publishing, revision: str, actor: Actor = BOB
) -> Proposal:
    async with sessions() as tx, tx.begin():
        return await desk.approve(tx, actor, revision)


async def publish(
    sessions: Sessions, desk: Publishing, revision: str, actor: Actor = ADA
) -> Proposal:
    async with sessions() as tx, tx.begin():
        return await desk.publish(tx, actor, revision)


async def put_in_force(sessions: Sessions, desk: Publishing, edition: Edition) -> None:
    """Publish with two persons."""
    await propose(sessions, desk, edition)
    await approve(sessions, desk, edition.revision)
    await publish(sessions, desk, edition.revision)


async def roll_back(
    sessions: Sessions, desk: Publishing, revision: str, actor: Actor = ADA
) -> Proposal:
    async with sessions() as tx, tx.begin():
        return (await desk.rollback(tx, actor, revision, note="too loud")).proposal


async def in_force(sessions: Sessions) -> str:
    async with sessions() as tx:
        return await revisions.active_revision(tx)


async def verified(sessions: Sessions, head: str = "") -> rulebook_log.Verified:
    async with sessions() as tx:
        return await rulebook_log.verify(tx, head=head)


async def actions(sessions: Sessions) -> list[tuple[str, str]]:
    """Return what was done, by whom, oldest first."""
    async with sessions() as tx:
        links = await rulebook_log.history(tx)
    return [(link.record.action, link.record.who) for link in reversed(links)]


# Four eyes


@pytest.mark.usefixtures("ayse")
async def test_what_concerns_somebody_needs_a_second_person(
    sessions: Sessions, publishing: Publishing
) -> None:
    edition = with_line("Yeni.")
    proposal = await propose(sessions, publishing, edition)

    with pytest.raises(ConflictError) as alone:
        await publish(sessions, publishing, edition.revision)
    await approve(sessions, publishing, edition.revision)
    done = await publish(sessions, publishing, edition.revision)

    assert (proposal.affected, proposal.needs_approval) == (1, True)
    assert alone.value.code == "approval_needed"
    assert (done.state, done.author, done.approver) == (
        ProposalState.PUBLISHED,
        ADA.person,
        BOB.person,
    )
    assert await in_force(sessions) == edition.revision
    assert await actions(sessions) == [
        ("propose", ADA.person),
        ("approve", BOB.person),
        ("publish", ADA.person),
    ]


async def test_what_concerns_nobody_needs_none(sessions: Sessions, publishing: Publishing) -> None:
    edition = with_line("Yeni.")
    proposal = await propose(sessions, publishing, edition)

    await publish(sessions, publishing, edition.revision)

    assert (proposal.affected, proposal.needs_approval) == (0, False)
    assert await in_force(sessions) == edition.revision


@pytest.mark.usefixtures("ayse")
async def test_comments_concern_nobody_and_another_rule_concerns_all(
    sessions: Sessions, publishing: Publishing
) -> None:
    rules = "rules/iscep.yaml"
    comment = await propose(sessions, publishing, with_line("# Nothing else.", rules))
    said = SHIPPED.files[rules].replace("    limit: 1\n", "    limit: 2\n")
    rule = await propose(sessions, publishing, with_files({rules: said}))

    assert (comment.affected, rule.affected) == (0, 1)


@pytest.mark.usefixtures("ayse")
async def test_up_to_the_threshold_one_person_is_enough(
    sessions: Sessions, clock: SetClock
) -> None:
    edition = with_line("Yeni.")
    desk = a_publishing(clock, above=1)
    await propose(sessions, desk, edition)

    await publish(sessions, desk, edition.revision)

    assert await in_force(sessions) == edition.revision


@pytest.mark.usefixtures("ayse")
async def test_an_approval_is_counted_on_the_day_of_publishing(
    sessions: Sessions, clock: SetClock, bank: Brand
) -> None:
    """One person was enough for one customer; by now there are two."""
    edition = with_line("Yeni.")
    desk = a_publishing(clock, above=1)
    await propose(sessions, desk, edition)
    async with sessions() as tx, tx.begin():
        await a_customer(tx, bank, "berk", contacts={Channel.SMS: "+905320000102"})

    with pytest.raises(ConflictError) as refused:
        await publish(sessions, desk, edition.revision)

    assert refused.value.code == "approval_needed"


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        pytest.param(ADA, "own_revision", id="the author"),
        pytest.param(replace(ADA, key_id="another"), "own_revision", id="by another key"),
        pytest.param(SHARED, "personal_key_needed", id="a shared key"),
        pytest.param(replace(BOB, made_by=ADA.person), "key_of_author", id="a key of the author's"),
        pytest.param(replace(BOB, rehearses=True), "rehearsal_key", id="a rehearsal key"),
    ],
)
@pytest.mark.usefixtures("ayse")
async def test_nobody_approves_who_is_no_second_person(
    sessions: Sessions, publishing: Publishing, actor: Actor, code: str
) -> None:
    edition = with_line("Yeni.")
    await propose(sessions, publishing, edition)

    with pytest.raises(DeniedError) as denied:
        await approve(sessions, publishing, edition.revision, actor)

    assert denied.value.code == code
    assert await actions(sessions) == [("propose", ADA.person)]


@pytest.mark.usefixtures("ayse")
async def test_the_author_does_not_approve_what_another_proposes_for_him(
    sessions: Sessions, publishing: Publishing
) -> None:
    edition = with_line("Yeni.")
    await propose(sessions, publishing, edition)
    async with sessions() as tx, tx.begin():
        await publishing.withdraw(tx, ADA, edition.revision)
    again = await propose(sessions, publishing, edition, BOB)

    with pytest.raises(DeniedError):
        await approve(sessions, publishing, edition.revision, ADA)

    assert again.author == BOB.person


async def test_shared_keys_do_not_propose_publish_or_roll_back(
    sessions: Sessions, publishing: Publishing
) -> None:
    edition = with_line("Yeni.")
    with pytest.raises(DeniedError):
        await propose(sessions, publishing, edition, SHARED)
    await propose(sessions, publishing, edition)

    with pytest.raises(DeniedError):
        await publish(sessions, publishing, edition.revision, SHARED)
    with pytest.raises(DeniedError):
        await roll_back(sessions, publishing, edition.revision, SHARED)

    assert await in_force(sessions) == ""


@pytest.mark.usefixtures("ayse")
async def test_an_approval_is_worth_nothing_once_something_else_is_in_force(
    sessions: Sessions, publishing: Publishing
) -> None:
    late, early = with_line("Geç."), with_line("Erken.")
    await propose(sessions, publishing, late)
    await approve(sessions, publishing, late.revision)
    await put_in_force(sessions, publishing, early)

    with pytest.raises(ConflictError) as refused:
        await publish(sessions, publishing, late.revision)
    again = await propose(sessions, publishing, late)

    assert refused.value.code == "rulebook_moved"
    assert (again.state, again.base) == (ProposalState.PROPOSED, early.revision)
    assert await in_force(sessions) == early.revision


@pytest.mark.usefixtures("ayse")
async def test_a_proposal_is_refused_or_withdrawn_and_then_not_published(
    sessions: Sessions, publishing: Publishing
) -> None:
    edition = with_line("Yeni.")
    await propose(sessions, publishing, edition)
    async with sessions() as tx, tx.begin():
        await publishing.refuse(tx, BOB, edition.revision)
    with pytest.raises(ConflictError) as refused:
        await publish(sessions, publishing, edition.revision)
    await propose(sessions, publishing, edition)
    async with sessions() as tx:
        with pytest.raises(DeniedError) as of_another:
            await publishing.withdraw(tx, CAN, edition.revision)
    async with sessions() as tx, tx.begin():
        await publishing.withdraw(tx, ADA, edition.revision)

    with pytest.raises(ConflictError):
        await approve(sessions, publishing, edition.revision)

    assert (refused.value.code, of_another.value.code) == ("no_proposal", "not_yours")
    async with sessions() as tx:
        states = [one.state for one in await proposals.proposals(tx, revision=edition.revision)]
    assert states == [ProposalState.WITHDRAWN, ProposalState.REFUSED]


async def test_the_same_is_proposed_once(sessions: Sessions, publishing: Publishing) -> None:
    edition = with_line("Yeni.")

    first = await propose(sessions, publishing, edition)
    again = await propose(sessions, publishing, edition, BOB)
    await publish(sessions, publishing, edition.revision)
    with pytest.raises(ConflictError) as refused:
        await propose(sessions, publishing, edition)

    assert again == first
    assert refused.value.code == "in_force"


# What is checked


@pytest.mark.parametrize(
    ("changed", "place", "words"),
    [
        pytest.param(
            {"rules/iscep.yaml": "version: 1\npackage: iscep\ntopics: [oops\n"},
            ("iscep.yaml", 4),
            "",
            id="a rule file",
        ),
        pytest.param(
            {PROMO: "Merhaba\n{{ iscep.lnk }}\n"},
            ("iscep_promo/sms.tr.j2", 2),
            "iscep.lnk",
            id="a text",
        ),
        pytest.param(
            {
                RULES: SHIPPED.files[RULES].replace(
                    "class: commercial", "class: commercial\n    basis: ongoing_relationship", 1
                )
            },
            ("iscep.yaml", 7),
            "the texts of 'iscep_promo' promote: it cannot claim 'ongoing_relationship'",
            marks=pytest.mark.req("D25", "blocks"),
            id="a false claim",
        ),
        pytest.param(
            {"templates/outage_notice/topic.json": "{oops"},
            ("outage_notice/topic.json", 1),
            "",
            id="a description",
        ),
        pytest.param(
            {EMAIL.replace(".tr.", f".{one}."): None for one in ("tr", "en", "pl")},
            ("iscep.yaml", 0),
            "no text for iscep_promo over email",
            id="no text",
        ),
    ],
)
async def test_what_is_broken_is_refused_with_its_place(
    sessions: Sessions,
    publishing: Publishing,
    changed: Mapping[str, str | None],
    place: tuple[str, int],
    words: str,
) -> None:
    with pytest.raises(RulebookError) as refused:
        await propose(sessions, publishing, with_files(changed))

    (first, *_) = refused.value.findings
    file, line = place
    assert first.file == file
    assert first.line == (line or first.line)
    assert first.column >= 1
    assert words in first.message
    async with sessions() as tx:
        assert await revisions.revisions(tx) == ()


def test_the_law_that_ships_is_a_part_of_every_edition() -> None:
    rules = {one.name: one.text for one in SHIPPED.rules if not one.name.startswith("law/")}
    lax = {**rules, "law/tr/consent.yaml": "version: 1\nmeans: Anything goes\nrows: []\n"}

    assert pack(rules, SHIPPED.texts).files == SHIPPED.files
    assert pack(lax, SHIPPED.texts).files == SHIPPED.files
    with pytest.raises(InvalidInputError, match="no rule file is called"):
        pack({**rules, "law/xx/consent.yaml": ""}, SHIPPED.texts)


# Rolling back


@pytest.mark.usefixtures("ayse")
async def test_a_rollback_gives_back_what_was_byte_for_byte(
    sessions: Sessions, publishing: Publishing
) -> None:
    old, new = with_line("Eski."), with_line("Yeni. İğne ğ.\ttab")
    await put_in_force(sessions, publishing, old)
    await put_in_force(sessions, publishing, new)

    asked = await roll_back(sessions, publishing, old.revision, CAN)
    still = await in_force(sessions)
    await approve(sessions, publishing, old.revision)
    await publish(sessions, publishing, old.revision, CAN)

    assert (asked.kind, asked.needs_approval, still) == (Kind.ROLLBACK, True, new.revision)
    async with sessions() as tx:
        found = await publishing.present(tx)
    assert found.files == old.files
    assert found.revision == old.revision
    assert (await actions(sessions))[-1] == ("rollback", CAN.person)
    assert (await verified(sessions)).faults == ()


async def test_one_rolls_back_to_what_was_in_force_alone(
    sessions: Sessions, publishing: Publishing
) -> None:
    old, new, never = with_line("Eski."), with_line("Yeni."), with_line("Hiç.")
    await put_in_force(sessions, publishing, old)
    await put_in_force(sessions, publishing, new)
    await propose(sessions, publishing, never)

    with pytest.raises(ConflictError) as refused:
        await roll_back(sessions, publishing, never.revision)
    done = await roll_back(sessions, publishing, old.revision[:20])

    assert refused.value.code == "never_in_force"
    assert done.state is ProposalState.PUBLISHED
    assert await in_force(sessions) == old.revision


async def test_who_names_a_revision_that_is_not_there_is_told_so(
    sessions: Sessions, publishing: Publishing
) -> None:
    with pytest.raises(NotFoundError):
        await publish(sessions, publishing, "sha256:abcdef")


# Side by side


@pytest.mark.usefixtures("ayse")
async def test_of_two_that_publish_at_once_one_comes_first_and_the_log_is_whole(
    sessions: Sessions, publishing: Publishing
) -> None:
    editions = [with_line(f"Yeni {number}.") for number in range(4)]
    for edition in editions:
        await propose(sessions, publishing, edition)
        await approve(sessions, publishing, edition.revision)

    ended = await asyncio.gather(
        *(publish(sessions, publishing, one.revision) for one in editions), return_exceptions=True
    )

    won = [one for one in ended if isinstance(one, Proposal)]
    lost = [one for one in ended if isinstance(one, ConflictError)]
    assert (len(won), len(lost)) == (1, 3)
    assert {one.code for one in lost} == {"rulebook_moved"}
    assert await in_force(sessions) == won[0].revision
    found = await verified(sessions)
    assert (found.records, found.faults) == (9, ())


async def test_many_propose_at_once_and_every_record_follows_another(
    sessions: Sessions, publishing: Publishing
) -> None:
    editions = [with_line(f"Yeni {number}.") for number in range(5)]

    await asyncio.gather(*(propose(sessions, publishing, one) for one in editions))

    async with sessions() as tx:
        links = await rulebook_log.history(tx)
    assert [link.record.seq for link in links] == [5, 4, 3, 2, 1]
    assert [link.previous for link in links] == [*(link.hash for link in links[1:]), ""]


# The log


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rulebook_log SET who = 'nobody'",
        "DELETE FROM rulebook_log",
        "TRUNCATE rulebook_log",
        "UPDATE rulebook_revisions SET author = 'nobody'",
        "DELETE FROM rulebook_revisions",
    ],
)
async def test_nobody_changes_the_log_or_a_revision(
    sessions: Sessions, publishing: Publishing, statement: str
) -> None:
    await propose(sessions, publishing, with_line("Yeni."))

    with pytest.raises(DBAPIError, match="only ever added to"):
        async with sessions() as tx, tx.begin():
            await tx.execute(text(statement))


_LAST = "(SELECT max(seq) FROM rulebook_log)"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        pytest.param(
            "UPDATE rulebook_log SET who = 'can' WHERE seq = 2", "record 2 was changed", id="who"
        ),
        pytest.param(
            "UPDATE rulebook_log SET details = details || '{\"affected\": 0}' WHERE seq = 1",
            "record 1 was changed",
            id="how many",
        ),
        pytest.param(
            "UPDATE rulebook_log SET at = at + interval '1 microsecond' WHERE seq = 3",
            "record 3 was changed",
            id="when",
        ),
        pytest.param("DELETE FROM rulebook_log WHERE seq = 2", "record 2 is missing", id="gone"),
        pytest.param(
            f"DELETE FROM rulebook_log WHERE seq = {_LAST}", "the log says: nothing", id="cut off"
        ),
        pytest.param(
            'UPDATE rulebook_revisions SET files = files || \'{"rules/x.yaml": ""}\'',
            "the files of",
            id="files",
        ),
        pytest.param(
            "UPDATE rulebook_proposals SET approver = 'can'", "no approval", id="approver"
        ),
    ],
)
@pytest.mark.usefixtures("ayse")
async def test_who_gets_round_the_triggers_is_found_out(
    sessions: Sessions, publishing: Publishing, statement: str, words: str
) -> None:
    await put_in_force(sessions, publishing, with_line("Yeni."))
    before = await verified(sessions)

    async with sessions() as tx, tx.begin():
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(text(statement))

    assert before.faults == ()
    assert any(words in fault for fault in (await verified(sessions)).faults)


async def test_a_log_that_was_cut_off_is_found_by_a_seal_that_was_noted(
    sessions: Sessions, publishing: Publishing
) -> None:
    await propose(sessions, publishing, with_line("Bir."))
    await propose(sessions, publishing, with_line("İki."))
    noted = (await verified(sessions)).head

    async with sessions() as tx, tx.begin():
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(text("DELETE FROM rulebook_log WHERE seq = 2"))

    assert (await verified(sessions)).faults == ()
    assert "is not there" in (await verified(sessions, noted)).faults[0]


# Journeys that run


class Inside:
    """A process of its own: the services, with what it has in force."""

    def __init__(self, sessions: Sessions, clock: SetClock) -> None:
        self.sessions = sessions
        self.books = RulebookHolder(None)
        self.shelf = Shelf(sessions, self.books, JinjaRenderer())
        self.house: House = furnish(
            sessions=sessions,
            books=self.books,
            decider=Decider(None),
            renderer=self.shelf,
            clock=clock,
            routes=ROUTES,
            book_of=self.shelf.book_of,
        )
        self.desk = a_desk(sessions, clock, renderer=self.shelf)

    async def happens(self, bank: Brand, ref: str, type: str = "login", **data: object) -> str:
        """Record an event, and return the outcome of the promotion that it led to."""
        async with self.sessions() as tx, tx.begin():
            event = await self.house.events.record(
                tx, brand=bank, customer_ref=ref, type=type, payload=data
            )
        found = (one.outcome_id or "" for one in event.decisions if one.topic == "iscep_promo")
        return next(found, "")

    async def claimed(self) -> dict[str, str]:
        """Claim what is due, and return the texts by address."""
        return {one.address: one.text for one in await self.desk.claim(Lane.JOURNEYS, 10)}


@pytest.fixture
async def inside(sessions: Sessions, clock: SetClock) -> Inside:
    return Inside(sessions, clock)


async def reads_mail(sessions: Sessions, bank: Brand, ref: str) -> str:
    """Make a customer who has agreed to promotions by e-mail."""
    async with sessions() as tx, tx.begin():
        return await a_customer(
            tx,
            bank,
            ref,
            contacts={Channel.EMAIL: f"{ref}@example.com"},
            consents={Channel.EMAIL: "granted"},
        )


async def preview(sessions: Sessions, desk: Publishing, edition: Edition) -> Preview:
    await propose(sessions, desk, edition)
    async with sessions() as tx:
        return await desk.preview(tx, edition.revision)


async def test_a_journey_goes_on_with_the_texts_that_it_began_with(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    await reads_mail(sessions, bank, "cem")
    await reads_mail(sessions, bank, "deniz")
    old, new = with_line("Eski söz.", EMAIL), with_line("Yeni söz.", EMAIL)
    await put_in_force(sessions, publishing, old)
    await inside.shelf.refresh()
    await inside.happens(bank, "cem", method="password")

    await put_in_force(sessions, publishing, new)
    await inside.shelf.refresh()
    await inside.happens(bank, "deniz", method="password")
    texts = await inside.claimed()

    assert "Eski söz." in texts["cem@example.com"]
    assert "Yeni söz." in texts["deniz@example.com"]


async def test_another_process_finds_the_texts_of_an_old_journey(
    sessions: Sessions, publishing: Publishing, inside: Inside, clock: SetClock, bank: Brand
) -> None:
    await reads_mail(sessions, bank, "cem")
    await put_in_force(sessions, publishing, with_line("Eski söz.", EMAIL))
    await inside.shelf.refresh()
    await inside.happens(bank, "cem", method="password")
    await put_in_force(sessions, publishing, with_line("Yeni söz.", EMAIL))

    began_later = Inside(sessions, clock)
    await began_later.shelf.refresh()

    assert "Eski söz." in (await began_later.claimed())["cem@example.com"]


async def test_a_journey_that_began_with_a_folder_goes_on_with_what_is_in_force(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    await reads_mail(sessions, bank, "cem")
    await inside.happens(bank, "cem", method="password")

    await put_in_force(sessions, publishing, with_line("Yeni söz.", EMAIL))
    await inside.shelf.refresh()

    assert "Yeni söz." in (await inside.claimed())["cem@example.com"]


async def test_a_journey_stops_when_it_was_to_stop_as_it_began(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    """The new rules promote on; the journey began when using the app was the end of it."""
    await reads_mail(sessions, bank, "cem")
    await put_in_force(sessions, publishing, with_line("Eski söz.", EMAIL))
    await inside.shelf.refresh()
    outcome = await inside.happens(bank, "cem", method="password")
    said = SHIPPED.files[RULES].replace("    stop_when: {fact.uses_iscep: true}\n", "")
    await put_in_force(sessions, publishing, with_files({RULES: said}))
    await inside.shelf.refresh()

    await inside.happens(bank, "cem", "app_installed")
    step = await inside.house.journeys.advance(outcome)

    assert inside.books.current.topics["iscep_promo"].stop_when is None
    assert step.state is OutcomeState.CANCELLED


async def test_rules_and_texts_change_together_and_decide_as_before_after_a_rollback(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    await reads_mail(sessions, bank, "cem")
    await reads_mail(sessions, bank, "deniz")
    old = with_line("Eski söz.", EMAIL)
    stops = "    text: The customer uses İşCep already, so it is not promoted to him\n"
    extra = f"{stops}  - {{id: none, when: {{topic: iscep_promo}}, reason: none, text: Not now}}\n"
    new = with_files({RULES: SHIPPED.files[RULES].replace(stops, extra)})
    await put_in_force(sessions, publishing, old)
    await inside.shelf.refresh()
    before = await inside.happens(bank, "cem", method="password")
    await put_in_force(sessions, publishing, new)
    await inside.shelf.refresh()
    during = await inside.happens(bank, "deniz", method="password")

    await roll_back(sessions, publishing, old.revision)
    await approve(sessions, publishing, old.revision)
    await publish(sessions, publishing, old.revision)
    await inside.shelf.refresh()
    after = await inside.happens(bank, "deniz", method="password")

    assert (bool(before), bool(during), bool(after)) == (True, False, True)
    assert inside.books.current.revision == old.revision
    assert "Eski söz." in (await inside.claimed())["deniz@example.com"]


async def test_what_is_published_beats_the_folder(
    sessions: Sessions, publishing: Publishing, tmp_path: Path
) -> None:
    for file in SHIPPED.rules:
        if not file.name.startswith("law/"):  # of which no folder has files of its own
            (tmp_path / file.name).write_text(file.text, encoding="utf-8")
    books = RulebookHolder(tmp_path)
    of_folder = books.current.revision
    edition = with_line("Yeni.")
    await put_in_force(sessions, publishing, edition)
    await Shelf(sessions, books, JinjaRenderer()).refresh()

    (tmp_path / "iscep.yaml").write_text("broken: [", encoding="utf-8")
    findings = books.reload()

    assert of_folder != edition.revision
    assert (books.current.revision, findings, books.findings) == (edition.revision, (), ())


async def test_what_this_version_cannot_read_leaves_the_last_good_one_in_force(
    sessions: Sessions, publishing: Publishing, inside: Inside
) -> None:
    good = with_line("İyi.")
    await put_in_force(sessions, publishing, good)
    await inside.shelf.refresh()
    of_tomorrow = with_files({RULES: "version: 2\npackage: iscep\n"})
    async with sessions() as tx, tx.begin():
        await revisions.store(tx, of_tomorrow, author="ada", note="", now=inside.house.clock.now())
        await tx.execute(update(table(ActiveRow)).values(revision=of_tomorrow.revision))

    await inside.shelf.refresh()
    began_later = Inside(sessions, SetClock())

    assert inside.books.current.revision == good.revision
    with pytest.raises(RulebookError):
        await began_later.shelf.refresh()


WITHOUT_TOPIC = with_files(
    {
        RULES: None,
        **{path: None for path in SHIPPED.files if path.startswith("templates/iscep_promo/")},
    }
)


def _renamed(old: str, new: str) -> Edition:
    return with_files({RULES: SHIPPED.files[RULES].replace(old, new)})


@pytest.mark.parametrize(
    ("edition", "lacks"),
    [
        pytest.param(WITHOUT_TOPIC, "the topic", id="topic"),
        pytest.param(_renamed("uses_iscep", "has_iscep"), "the fact uses_iscep", id="fact"),
        pytest.param(
            _renamed("id: promo_weekly", "id: promo_weakly"),
            "the cap iscep.promo_weekly",
            id="cap",
        ),
    ],
)
async def test_what_running_journeys_need_is_not_taken_away(
    sessions: Sessions,
    publishing: Publishing,
    inside: Inside,
    *,
    bank: Brand,
    edition: Edition,
    lacks: str,
) -> None:
    for ref in ("cem", "deniz"):
        await reads_mail(sessions, bank, ref)
        await inside.happens(bank, ref, method="password")
    seen = await preview(sessions, publishing, edition)
    await approve(sessions, publishing, edition.revision)

    with pytest.raises(ConflictError) as refused:
        await publish(sessions, publishing, edition.revision)

    (promo,) = (one for one in seen.journeys if one.topic == "iscep_promo")
    assert promo.open == 2
    assert lacks in promo.lacks
    assert refused.value.code == "journeys_need_it"
    assert "iscep_promo (2 open)" in str(refused.value)
    assert lacks in str(refused.value)
    assert await in_force(sessions) == ""


async def test_a_field_that_a_journey_waits_for_is_not_taken_away(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    """The journey began with a rule that reads the field itself."""
    by_field = _renamed("{fact.uses_iscep: true}\n    exp", "{customer.vip: true}\n    exp")
    fields = SHIPPED.files["rules/fields.yaml"].rstrip()
    old = with_files({"rules/fields.yaml": f"{fields}\n  customer.vip: {{type: bool}}\n"}, by_field)
    await reads_mail(sessions, bank, "cem")
    await put_in_force(sessions, publishing, old)
    await inside.shelf.refresh()
    await inside.happens(bank, "cem", method="password")

    seen = await preview(sessions, publishing, SHIPPED)

    (promo,) = (one for one in seen.journeys if one.topic == "iscep_promo")
    assert promo.lacks == ("the field customer.vip",)
    assert promo.revision == old.revision


async def test_a_field_of_which_a_journey_waits_for_a_measure_is_not_taken_away(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    """It would never stop: how long ago something unknown is, is not known."""
    by_field = _renamed(
        "{fact.uses_iscep: true}\n    exp", "{customer.vip_since: {older_than: 1d}}\n    exp"
    )
    fields = SHIPPED.files["rules/fields.yaml"].rstrip()
    with_date = f"{fields}\n  customer.vip_since: {{type: date}}\n"
    old = with_files({"rules/fields.yaml": with_date}, by_field)
    await reads_mail(sessions, bank, "cem")
    await put_in_force(sessions, publishing, old)
    await inside.shelf.refresh()
    await inside.happens(bank, "cem", method="password")

    seen = await preview(sessions, publishing, SHIPPED)

    (promo,) = (one for one in seen.journeys if one.topic == "iscep_promo")
    assert promo.lacks == ("the field customer.vip_since",)


async def test_once_the_journeys_have_ended_it_can_be_taken_away(
    sessions: Sessions, publishing: Publishing, inside: Inside, bank: Brand
) -> None:
    await reads_mail(sessions, bank, "cem")
    outcome = await inside.happens(bank, "cem", method="password")
    await inside.happens(bank, "cem", "app_installed")
    await inside.house.journeys.advance(outcome)

    await put_in_force(sessions, publishing, WITHOUT_TOPIC)

    assert await in_force(sessions) == WITHOUT_TOPIC.revision
