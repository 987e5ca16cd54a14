"""Who may be told what: rows of each country's law, exemptions, refusals, purposes, days."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rules.decide import decide
from rules.law_rows import Way, load_law, read_law
from rules.rulebook import Rulebook, compile_rulebook, load_rulebook
from rules.source import Report, SourceFile, law_texts, read_folder
from rules.telling import explain, outline
from tellal.domain.channels import Channel
from tellal.domain.decisions import Decision, Value, Verdict
from tellal.domain.errors import RulebookError
from tests.rules.writing import AT, CHANNELS, HEAD, a_book, a_question, codes_of, fired_of, write

NEED_NOT_ASK: Mapping[str, tuple[str, dict[str, Value], str]] = {
    # exemption of the sender: what the topic is about, what the reader is, what he must not be
    "telecom_operator": ("content: own_services", {"customer.relation": ("subscriber",)}, "member"),
    "foundation_university": ("", {"customer.relation": ("student",)}, "customer"),
    "professional_body": ("content: own_services", {"customer.relation": ("member",)}, "customer"),
    "public_benefit_association": (
        "content: own_services",
        {"customer.relation": ("member",)},
        "customer",
    ),
    "tax_exempt_foundation": (
        "content: own_services",
        {"customer.relation": ("member",)},
        "customer",
    ),
    "broadcaster": ("content: public_information", {}, ""),
    "state_institution": ("content: public_information", {}, ""),
    "local_administration": ("content: public_information", {}, ""),
    "public_legal_person": ("content: public_information", {}, ""),
}
TOPIC = """
topics:
  - {id: offer, means: An offer, class: CLASS, expires: 1d, SAYS}
"""


def a_book_that_says(folder: Path, says: str = "", kind: str = "commercial") -> Rulebook:
    topic = TOPIC.replace("CLASS", kind).replace(", SAYS", f", {says}" if says else "")
    return a_book(folder, topic=topic)


def asked(book: Rulebook, document: Mapping[str, Value] | None = None, **other: object) -> Decision:
    """Decide about somebody in Turkey of whom no consent is on record."""
    return decide(book, a_question(document, **{"consents": {}, **other}))


def sends(decision: Decision) -> bool:
    return decision.verdict is Verdict.SEND


# Whom the law protects


@pytest.mark.req("C06", "blocks")
@pytest.mark.req("C06", "allows")
@pytest.mark.parametrize(
    ("country", "row", "article"),
    [
        ("TR", "tr/commercial_needs_consent", "Law 6563, article 6"),
        ("PL", "pl/commercial_information_needs_consent", "article 398"),
        ("DE", "eu/marketing_needs_consent", "2002/58/EC, article 13(1)"),
        ("", "eu/marketing_needs_consent", "2002/58/EC, article 13(1)"),
    ],
)
def test_every_country_asks_for_consent_by_its_own_article(
    tmp_path: Path, country: str, row: str, article: str
) -> None:
    book = a_book(tmp_path)

    decision = asked(book, country=country)
    agreed = asked(book, country=country, consents={Channel.SMS: True})

    assert codes_of(decision) == ["no_consent"]
    assert decision.reasons[0].rule == row
    assert article in decision.reasons[0].source
    assert f"(law: {row}, {decision.reasons[0].source})" in "\n".join(explain(decision))
    assert [step.channel for step in agreed.steps] == [Channel.SMS]
    assert f"{row} ({decision.reasons[0].source})" in "\n".join(outline(book, "offer"))


@pytest.mark.req("D26", "allows")
@pytest.mark.req("D27", "blocks")
@pytest.mark.req("D27", "allows")
def test_a_turkish_merchant_need_not_be_asked_and_may_refuse(tmp_path: Path) -> None:
    book = a_book(tmp_path)
    merchant: dict[str, Value] = {"customer.kind": "merchant"}

    asked_for_nothing = asked(book, merchant)
    refused = asked(book, merchant, consents={Channel.SMS: False, Channel.EMAIL: True})

    assert sends(asked_for_nothing)
    assert "tr/merchants" in fired_of(asked_for_nothing)
    assert [step.channel for step in refused.steps] == [Channel.EMAIL, Channel.PUSH]
    assert refused.removed[Channel.SMS].rule == "tr/refusal_binds"
    assert refused.removed[Channel.SMS].code == "refused"


def test_in_poland_a_firm_is_asked_as_people_are(tmp_path: Path) -> None:
    decision = asked(a_book(tmp_path), {"customer.kind": "merchant"}, country="PL")

    assert codes_of(decision) == ["no_consent"]
    assert "tr/merchants" not in decision.facts


def test_polish_law_changed_on_a_day(tmp_path: Path) -> None:
    book = a_book(tmp_path)

    before, since = (
        asked(book, country="PL", timezone="Europe/Warsaw", at=at)
        for at in (
            datetime(2024, 11, 9, 22, 59, tzinfo=UTC),
            datetime(2024, 11, 9, 23, 0, tzinfo=UTC),
        )
    )

    assert before.reasons[0].rule == "pl/marketing_needs_consent_until_2024"
    assert since.reasons[0].rule == "pl/commercial_information_needs_consent"


@pytest.mark.req("C03", "blocks")
@pytest.mark.req("C03", "allows")
def test_turkish_law_asks_since_the_first_of_may_2015(tmp_path: Path) -> None:
    book = a_book(tmp_path)

    before, since = (
        asked(book, at=at)
        for at in (
            datetime(2015, 4, 30, 20, 59, tzinfo=UTC),
            datetime(2015, 4, 30, 21, 0, tzinfo=UTC),
        )
    )

    assert sends(before)
    assert codes_of(since) == ["no_consent"]


@pytest.mark.req("D50", "allows")
def test_a_refusal_does_not_bind_what_must_be_told_and_the_trace_says_so(tmp_path: Path) -> None:
    decision = asked(
        a_book_that_says(tmp_path, kind="mandatory"),
        consents={Channel.SMS: False, Channel.EMAIL: True},
    )

    assert [step.channel for step in decision.steps] == [Channel.SMS, Channel.EMAIL, Channel.PUSH]
    [passed] = decision.passed
    assert (passed.code, passed.rule) == ("refused", "tr/duty_to_tell")
    assert "in spite of refused: The customer has refused sms" in "\n".join(explain(decision))


@pytest.mark.req("D50", "blocks")
def test_where_a_pack_does_not_say_so_a_refusal_binds_what_must_be_told(tmp_path: Path) -> None:
    book = by_law(
        a_book_files(tmp_path, kind="mandatory"),
        lambda text: text.replace("requires: nothing_to_oppose", "requires: no_refusal").replace(
            "    text: a refusal does not bind where sending is obligatory",
            "    channels: [push]\n    reason: refused\n    text: Refused",
        ),
    )

    decision = asked(book, consents={Channel.SMS: False})

    assert [step.channel for step in decision.steps] == [Channel.EMAIL, Channel.PUSH]
    assert decision.removed[Channel.SMS].rule == "tr/refusal_binds"


# Who need not ask


def every_kind_of_sender(side: str) -> pytest.MarkDecorator:
    """Ask for each kind that need not ask: D14 to D22, in the order of the source."""
    return pytest.mark.parametrize(
        "exemption",
        [
            pytest.param(exemption, marks=pytest.mark.req(f"D{row}", side), id=exemption)
            for row, exemption in enumerate(NEED_NOT_ASK, start=14)
        ],
    )


@every_kind_of_sender("allows")
def test_a_sender_of_a_kind_need_not_ask_whom_the_law_names(tmp_path: Path, exemption: str) -> None:
    says, reader, _ = NEED_NOT_ASK[exemption]

    decision = asked(a_book_that_says(tmp_path, says), {"sender.exemption": exemption, **reader})

    assert sends(decision)
    assert "no_consent" not in codes_of(decision)


@every_kind_of_sender("blocks")
def test_beyond_what_the_law_names_a_sender_of_a_kind_asks_like_everybody(
    tmp_path: Path, exemption: str
) -> None:
    says, reader, stranger = NEED_NOT_ASK[exemption]
    book = a_book_that_says(tmp_path, says)
    sender: dict[str, Value] = {"sender.exemption": exemption}

    # Another sender; the same one abroad, to a stranger, of other things; one who was refused.
    assert codes_of(asked(book, {**reader, "sender.exemption": "bank"})) == ["no_consent"]
    assert codes_of(asked(book, reader)) == ["no_consent"]
    assert codes_of(asked(book, {**sender, **reader}, country="PL")) == ["no_consent"]
    if stranger:
        other = {**sender, "customer.relation": (stranger,)}
        assert codes_of(asked(book, other)) == ["no_consent"]
    if says:
        assert codes_of(asked(a_book(tmp_path), {**sender, **reader})) == ["no_consent"]
    refused = dict.fromkeys((Channel.SMS, Channel.EMAIL, Channel.PUSH), False)
    assert codes_of(asked(book, {**sender, **reader}, consents=refused)) == ["refused"]


@pytest.mark.req("D20", "blocks")
@pytest.mark.req("D20", "allows")
@pytest.mark.req("D25", "blocks")
@pytest.mark.req("D25", "allows")
def test_to_inform_the_public_is_not_to_promote(tmp_path: Path) -> None:
    files = a_book_files(tmp_path, "content: public_information")
    sender: dict[str, Value] = {"sender.exemption": "state_institution"}

    assert sends(asked(compile_rulebook(files), sender))
    promoting = compile_rulebook(files, promoting={"offer"})
    assert codes_of(asked(promoting, sender)) == ["no_consent"]


BASES: Mapping[str, tuple[str, dict[str, Value], dict[str, Value]]] = {
    "service_maintenance": (
        ", product: card",
        {"customer.products": ("loan", "card")},
        {"customer.products": ("loan",)},
    ),
    "ongoing_relationship": (
        "",
        {"customer.relation": ("subscriber",)},
        {"customer.relation": ("student",)},
    ),
    "capital_market_information": (
        "",
        {"sender.licence": "capital_market_intermediary", "customer.relation": ("customer",)},
        {"customer.relation": ("customer",)},
    ),
}


@pytest.mark.parametrize("kind", ["commercial", "service"])
@pytest.mark.parametrize(
    "basis",
    [
        pytest.param(
            basis, marks=[pytest.mark.req(row, side) for side in ("blocks", "allows")], id=basis
        )
        for row, basis in zip(("D23", "D24", "D28"), BASES, strict=True)
    ],
)
def test_a_basis_counts_where_the_law_has_it_and_it_holds(
    tmp_path: Path, basis: str, kind: str
) -> None:
    more, holds, fails = BASES[basis]
    book = a_book_that_says(tmp_path, f"basis: {basis}{more}", kind)

    accepted, refused = asked(book, holds), asked(book, fails)

    assert sends(accepted)
    assert any(fired.source for fired in accepted.fired)
    assert codes_of(refused) == ["no_consent"]
    assert f"It claims '{basis}', which does not hold: " in refused.reasons[0].text


@pytest.mark.req("D23", "blocks")
def test_maintenance_needs_a_link_to_a_product(tmp_path: Path) -> None:
    book = a_book_that_says(tmp_path, "basis: service_maintenance")

    decision = asked(book, {"customer.products": ("card",)})

    assert codes_of(decision) == ["no_consent"]


@pytest.mark.req("D28", "blocks")
@pytest.mark.req("D28", "allows")
def test_a_basis_that_a_country_does_not_know_is_none(tmp_path: Path) -> None:
    book = a_book_that_says(tmp_path, "basis: capital_market_information", "service")
    document: dict[str, Value] = {
        "sender.licence": "capital_market_intermediary",
        "customer.relation": ("customer",),
    }

    assert sends(asked(book, document))
    abroad = asked(book, document, country="DE")
    assert codes_of(abroad) == ["no_consent"]
    assert "of which this law does not know" in abroad.reasons[0].text


@pytest.mark.req("D25", "blocks")
@pytest.mark.req("D25", "allows")
def test_what_promotes_cannot_claim_that_it_does_not(tmp_path: Path) -> None:
    files = a_book_files(tmp_path, "basis: ongoing_relationship", "service")
    subscriber: dict[str, Value] = {"customer.relation": ("subscriber",)}

    plain = asked(compile_rulebook(files), subscriber)
    promoting = asked(compile_rulebook(files, promoting={"offer"}), subscriber)

    assert sends(plain)
    assert codes_of(promoting) == ["no_consent"]
    assert "which nothing may claim that promotes" in promoting.reasons[0].text
    assert load_law().sober == {
        "service_maintenance",
        "ongoing_relationship",
        "capital_market_information",
    }


def test_in_the_union_who_bought_may_be_told_of_like_things_until_he_objects(
    tmp_path: Path,
) -> None:
    files = a_book_files(tmp_path, "basis: soft_opt_in, product: card")
    book = compile_rulebook(files, promoting={"offer"})
    bought: dict[str, Value] = {"customer.products": ("card",)}

    assert sends(asked(book, bought, country="DE"))
    objected = asked(book, bought, country="DE", consents={Channel.SMS: False})
    assert objected.removed[Channel.SMS].rule == "eu/objection_binds"
    assert codes_of(asked(book, bought, country="PL")) == ["no_consent"]


@pytest.mark.parametrize(
    ("says", "kind", "wrong", "hint"),
    [
        (
            "basis: ongoing_relation",
            "commercial",
            "no law knows the basis 'ongoing_relation' of 'offer'",
            "did you mean 'ongoing_relationship'?",
        ),
        ("content: all", "commercial", "no law knows the content 'all'", "one of own_services"),
        (
            "basis: ongoing_relationship",
            "mandatory",
            "a mandatory message claims no basis",
            "orders it anyway",
        ),
        ("purposes: ['']", "commercial", "'purposes' names at least one", ""),
    ],
)
def test_what_a_topic_claims_is_checked_where_it_stands(
    tmp_path: Path, says: str, kind: str, wrong: str, hint: str
) -> None:
    with pytest.raises(RulebookError) as refused:
        a_book_that_says(tmp_path, says, kind)

    [finding] = refused.value.findings
    assert (finding.file, finding.line) == ("shop.yaml", 5)
    assert wrong in finding.message
    assert hint in finding.hint


# Asking for consent, and sectors whose turn comes later


@pytest.mark.req("C02", "blocks")
@pytest.mark.req("C02", "allows")
@pytest.mark.req("C03", "blocks")
@pytest.mark.req("C03", "allows")
@pytest.mark.req("D34", "blocks")
@pytest.mark.req("D34", "allows")
def test_people_could_be_called_to_be_asked_until_the_law_came() -> None:
    law = load_law()

    assert law.forbids(Way.OUTBOUND_CALL, date(2015, 4, 30), "TR") is None
    row = law.forbids(Way.OUTBOUND_CALL, date(2015, 5, 1), "TR")
    assert row is not None
    assert (row.id, row.source) == (
        "tr/by_outbound_call",
        "Law 6563, article 6; regulation 29417, article 7",
    )
    assert law.forbids(Way.MESSAGE, date(2026, 3, 2), "TR") is not None
    assert law.forbids(Way.OUTBOUND_CALL, date(2026, 3, 2), "PL") is None


@pytest.mark.req("C10")
def test_a_sector_whose_turn_comes_later_waits(tmp_path: Path) -> None:
    later = "means: Health, source: 'Law 6563, article 16', from: 2016-01-01"
    book = by_law(
        a_book_files(tmp_path),
        lambda text: text.replace(
            "means: Health, source: 'Law 6563, article 16', from: 2015-05-01", later
        ),
    )
    day = datetime(2015, 12, 31, 12, tzinfo=UTC)

    assert sends(asked(book, {"sender.sector": "health"}, at=day))
    assert codes_of(asked(book, {"sender.sector": "banking"}, at=day)) == ["no_consent"]
    since = day.replace(year=2016, month=1, day=1)
    assert codes_of(asked(book, {"sender.sector": "health"}, at=since)) == ["no_consent"]
    assert {"banking", "insurance", "electricity", "gas"} <= load_law().sectors


# What rulebooks can do about it


def test_no_rulebook_is_without_the_law(tmp_path: Path) -> None:
    own = write(tmp_path, CHANNELS, law=f"{HEAD}law: []\n".replace("shop", "law"))
    (own / "topics.yaml").write_text(
        HEAD + "topics:\n  - {id: offer, means: x, class: commercial, expires: 1d}\n"
    )

    assert codes_of(asked(load_rulebook(own))) == ["no_consent"]


def test_a_rulebook_may_ask_for_more(tmp_path: Path) -> None:
    stricter = """
law:
  - {id: merchants_too, means: We ask merchants, when: {class: commercial}, channels: [sms, email],
     requires: consent, reason: house_rule, text: We ask merchants as well, source: House rule 3}
  - {id: polite, means: x, when: {class: commercial}, channels: [push], requires: no_refusal,
     reason: refused, text: x}
"""
    decision = asked(a_book(tmp_path, stricter), {"customer.kind": "merchant"})

    assert [step.channel for step in decision.steps] == [Channel.PUSH]
    assert decision.removed[Channel.SMS].source == "House rule 3"


def test_a_rulebook_takes_nothing_back(tmp_path: Path) -> None:
    lax = """
law:
  - {id: lax, channels: [sms], requires: nothing_to_oppose, reason: x, text: x}
"""
    with pytest.raises(RulebookError, match="takes nothing back that the law asks for"):
        a_book(tmp_path, lax)


def test_a_rulebook_of_before_the_law_was_packed_still_means_what_it_meant() -> None:
    files = [file for file in read_folder(None) if not file.name.startswith("law/")]

    book = compile_rulebook(files)

    assert sends(decide(book, a_question(topic="iscep_promo", consents={})))


def test_a_field_that_the_law_reads_has_its_type(tmp_path: Path) -> None:
    fields = "version: 1\nfields:\n  customer.relation: {type: text}\n"

    with pytest.raises(RulebookError, match=r"the law reads 'customer\.relation' as list"):
        load_rulebook(write(tmp_path, TOPIC.replace(", SAYS", "") + CHANNELS, fields=fields))


# A pack that is wrong


@pytest.mark.parametrize(
    ("was", "becomes", "place", "wrong"),
    [
        ("version: 1", "version: 2", "3:1", "the law of consent says 'version: 1'"),
        ("source: Law 6563, article 6\n", "source: ''\n", "", "'source' names the article"),
        ("requires: consent", "requires: consents", "", "'requires': 'consents' is not one of"),
        ("- merchants", "- merchant", "", "no exemption of this pack is called 'merchant'"),
        ("customer.kind: merchant", "customer.kind: tacir", "", "'tacir' is not one of"),
        ("customer.kind: merchant", "customer.age: 3", "", "unknown field 'customer.age'"),
        ("until: 2015-04-30", "until: soon", "", "'until' is a day"),
        ("    phased: true", "    phase: true", "", "unknown key 'phase' (did you mean 'phased'?)"),
        ("id: refusal_binds", "id: merchants", "", "'merchants' is already defined"),
        ("way: outbound_call", "way: fax", "", "'way': 'fax' is not one of"),
        ("rows:", "rowes:", "", "'rows' is missing"),
        ("from: 2015-05-01\n    phased", "from: 2016-01-01\n    until: 2015-05-01\n    phased",
         "", "'until' is before 'from'"),
    ],
)  # fmt: skip
def test_a_pack_that_is_wrong_says_where(was: str, becomes: str, place: str, wrong: str) -> None:
    texts = law_texts()
    name = "law/tr/consent.yaml"
    assert was in texts[name]
    texts[name] = texts[name].replace(was, becomes, 1)
    report = Report()

    read_law([SourceFile(name=name, text=text) for name, text in texts.items()], report)

    told = [str(finding) for finding in report.in_order()]
    assert any(wrong in one and one.startswith(f"{name}:{place}") for one in told), told


def test_every_row_of_every_country_names_its_article() -> None:
    law = load_law()

    assert all(rule.source and rule.means for rule in law.rules)
    assert {rule.id.partition("/")[0] for rule in law.rules} == {"eu", "tr", "pl"}


def test_a_pack_without_a_file_is_under_the_law_of_its_base(tmp_path: Path) -> None:
    texts = law_texts()
    del texts["law/pl/consent.yaml"]
    book = compile_rulebook(
        [
            *(file for file in a_book_files(tmp_path) if not file.name.startswith("law/")),
            *(SourceFile(name=name, text=text) for name, text in texts.items()),
        ]
    )

    assert asked(book, country="PL").reasons[0].rule == "eu/marketing_needs_consent"


def a_book_files(folder: Path, says: str = "", kind: str = "commercial") -> tuple[SourceFile, ...]:
    topic = TOPIC.replace("CLASS", kind).replace(", SAYS", f", {says}" if says else "")
    return read_folder(write(folder, topic + CHANNELS))


def by_law(files: tuple[SourceFile, ...], change: object) -> Rulebook:
    """Compile a rulebook under another Turkish law."""
    assert callable(change)
    turkish = "law/tr/consent.yaml"
    changed = [
        SourceFile(name=one.name, text=change(one.text) if one.name == turkish else one.text)
        for one in files
    ]
    assert changed != list(files)
    return compile_rulebook(changed)


def test_the_day_is_the_customers(tmp_path: Path) -> None:
    assert AT.tzinfo is UTC
    eve = datetime(2015, 4, 30, 21, 30, tzinfo=UTC)

    assert sends(asked(a_book(tmp_path), at=eve, timezone="Europe/London"))
    assert not sends(asked(a_book(tmp_path), at=eve, timezone="Europe/Istanbul"))
