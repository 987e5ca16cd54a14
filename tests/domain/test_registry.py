"""İYS' rules for records, one by one: each lets one through and stops another."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tellal.domain.consent_rules import LAW_IN_FORCE, REGISTRY_TIME
from tellal.domain.consents import SAID_TO_REGISTRY, TAKEN_BY_SENDER
from tellal.domain.registry import (
    RULES,
    Broken,
    Circumstances,
    Kind,
    Known,
    Party,
    RegistryKey,
    RegistryRecord,
    Status,
    another_status,
    broken_by,
    dated_and_sourced,
    decision_refuses,
    deemed_at_the_law,
    first_twin,
    in_registry_time,
    later_than_known,
    not_in_the_future,
    read_moment,
    recipient_fits,
    refusal_after_a_grant,
    since_the_law,
    source_is_the_senders,
    written,
    young_enough,
)
from tellal.domain.registry_answers import LONGEST_PAUSE, PAUSES, Trouble, pause_after

NOW = datetime(2026, 3, 5, 12, tzinfo=REGISTRY_TIME)
BEFORE = NOW - timedelta(hours=1)
SECOND = timedelta(seconds=1)
KEY = RegistryKey(recipient="+905813334455", party=Party.INDIVIDUAL, kind=Kind.TEXT)
GRANT = RegistryRecord(key=KEY, status=Status.GRANTED, source="HS_WEB", given_at=BEFORE)
REFUSAL = replace(GRANT, status=Status.REFUSED, source="HS_MESAJ")
NOTHING = Circumstances(now=NOW)


def there(status: Status, given_at: datetime = BEFORE - SECOND) -> Circumstances:
    known = Known(status=status, given_at=given_at)
    return Circumstances(now=NOW, known={Party.INDIVIDUAL: known})


def of(recipient: str, kind: Kind = Kind.TEXT) -> RegistryRecord:
    return replace(GRANT, key=replace(KEY, recipient=recipient, kind=kind))


def test_1_a_record_is_later_than_the_one_that_is_there() -> None:
    assert later_than_known(REFUSAL, there(Status.GRANTED))
    assert not later_than_known(REFUSAL, there(Status.GRANTED, BEFORE))


@pytest.mark.parametrize("source", sorted(SAID_TO_REGISTRY | {"web", "HS_NEW"}))
def test_2_a_sender_names_none_of_iys_ways(source: str) -> None:
    assert not source_is_the_senders(replace(GRANT, source=source), NOTHING)


@pytest.mark.parametrize("source", sorted(TAKEN_BY_SENDER))
def test_2_a_sender_names_his_own_ways(source: str) -> None:
    assert source_is_the_senders(replace(GRANT, source=source), NOTHING)


def test_3_the_first_record_is_no_refusal() -> None:
    assert refusal_after_a_grant(REFUSAL, there(Status.GRANTED))
    assert refusal_after_a_grant(GRANT, NOTHING)
    assert not refusal_after_a_grant(REFUSAL, NOTHING)


def test_4_nothing_is_older_than_the_law() -> None:
    assert since_the_law(replace(GRANT, given_at=LAW_IN_FORCE), NOTHING)
    assert not since_the_law(replace(GRANT, given_at=LAW_IN_FORCE - SECOND), NOTHING)


def test_5_nothing_lies_in_the_future() -> None:
    assert not_in_the_future(replace(GRANT, given_at=NOW), NOTHING)
    assert not not_in_the_future(replace(GRANT, given_at=NOW + SECOND), NOTHING)


@pytest.mark.req("D51", "blocks")
@pytest.mark.req("D51", "allows")
def test_6_who_was_a_customer_before_the_law_agreed_on_its_first_day() -> None:
    deemed = replace(GRANT, source="HS_2015", given_at=LAW_IN_FORCE)

    assert deemed_at_the_law(deemed, NOTHING)
    assert not deemed_at_the_law(replace(deemed, given_at=LAW_IN_FORCE + SECOND), NOTHING)
    assert not deemed_at_the_law(replace(deemed, status=Status.REFUSED), NOTHING)


def test_7_the_roles_of_an_address_stand_side_by_side() -> None:
    merchant = replace(GRANT, key=replace(KEY, party=Party.MERCHANT))
    shouted = of("AYSE@example.com", Kind.MAIL)

    assert first_twin([GRANT, merchant]) is None
    assert broken_by(merchant, there(Status.GRANTED)) is None
    assert first_twin([GRANT, merchant, REFUSAL]) == KEY
    assert first_twin([of("ayse@example.com", Kind.MAIL), shouted]) == shouted.key


def test_8_only_a_merchants_first_record_may_lack_date_and_source() -> None:
    bare = replace(GRANT, key=replace(KEY, party=Party.MERCHANT), source="", given_at=None)
    known = Known(status=Status.REFUSED, given_at=None)

    assert dated_and_sourced(bare, NOTHING)
    assert not dated_and_sourced(replace(bare, key=KEY), NOTHING)
    assert not dated_and_sourced(bare, Circumstances(now=NOW, known={Party.MERCHANT: known}))


@pytest.mark.parametrize("record", [GRANT, REFUSAL], ids=["grant", "refusal"])
def test_9_nothing_is_said_twice(record: RegistryRecord) -> None:
    other = Status.REFUSED if record.status is Status.GRANTED else Status.GRANTED

    assert another_status(record, there(other))
    assert not another_status(record, there(record.status))


def test_10_nothing_is_older_than_three_business_days_after_activation() -> None:
    assert young_enough(GRANT, Circumstances(now=NOW, oldest=BEFORE))
    assert young_enough(GRANT, NOTHING)
    assert not young_enough(GRANT, Circumstances(now=NOW, oldest=BEFORE + SECOND))


@pytest.mark.parametrize(
    ("recipient", "kind"),
    [
        ("+905813334455", Kind.TEXT),
        ("+902120000000", Kind.CALL),
        ("+" + "9" * 15, Kind.CALL),
        ("a@b.tr", Kind.MAIL),
        ("ayse+bank@example.com", Kind.MAIL),
        ("a" * 253 + "@example.com", Kind.MAIL),
    ],
)
def test_an_address_that_fits_its_way(recipient: str, kind: Kind) -> None:
    assert recipient_fits(of(recipient, kind), NOTHING)


@pytest.mark.parametrize(
    ("recipient", "kind"),
    [
        ("905813334455", Kind.TEXT),
        ("+" + "9" * 16, Kind.CALL),
        ("+05813334455", Kind.TEXT),
        ("ayse@example.com", Kind.TEXT),
        ("+905813334455", Kind.MAIL),
        ("a@b.c", Kind.MAIL),
        ("ayşe@example.com", Kind.MAIL),
        ("ay se@example.com", Kind.MAIL),
        ("a" * 254 + "@example.com", Kind.MAIL),
    ],
)
def test_an_address_that_does_not(recipient: str, kind: Kind) -> None:
    assert not recipient_fits(of(recipient, kind), NOTHING)


def test_a_senders_own_decision_is_a_refusal() -> None:
    assert decision_refuses(replace(REFUSAL, source="HS_KARAR"), NOTHING)
    assert not decision_refuses(replace(GRANT, source="HS_KARAR"), NOTHING)


def test_a_record_that_breaks_nothing_may_leave() -> None:
    assert broken_by(GRANT, NOTHING) is None
    assert broken_by(REFUSAL, there(Status.GRANTED)) is None


def test_every_rule_has_a_word_of_its_own() -> None:
    assert {code for code, _ in RULES} == set(Broken)
    assert len({rule for _, rule in RULES}) == len(RULES)


def test_a_moment_is_written_by_turkeys_clock_to_the_second() -> None:
    moment = datetime.fromisoformat("2026-12-31T22:30:15.987+00:00")

    assert written(moment) == "2027-01-01 01:30:15"
    assert read_moment("2027-01-01 01:30:15") == in_registry_time(moment)


def test_what_is_said_within_a_second_keeps_its_order() -> None:
    known = Known(status=Status.GRANTED, given_at=in_registry_time(BEFORE))
    within = BEFORE + timedelta(milliseconds=700)

    assert in_registry_time(within, known) == BEFORE + SECOND
    assert in_registry_time(BEFORE, known) == BEFORE
    assert in_registry_time(within) == BEFORE


@pytest.mark.parametrize("trouble", list(Trouble))
def test_pauses_grow_and_end_within_an_hour(trouble: Trouble) -> None:
    pauses = [pause_after(trouble, n) for n in (1, 2, 3, 50)]

    assert pauses[0] == PAUSES[trouble]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= LONGEST_PAUSE
    assert pause_after(trouble, 1, 1800.0) == timedelta(minutes=30)
    assert pause_after(trouble, 1, 10**6) == LONGEST_PAUSE


@pytest.mark.req("D38", "blocks")
@pytest.mark.req("D38", "allows")
def test_a_dealer_is_named_by_his_number_at_iys() -> None:
    assert replace(GRANT, retailer="11223344").as_document()["retailerCode"] == 11223344
    assert "retailerCode" not in replace(GRANT, retailer="dealer-7").as_document()


def test_a_record_is_written_as_iys_documents_it() -> None:
    assert GRANT.as_document() == {
        "recipient": "+905813334455",
        "recipientType": "BIREYSEL",
        "type": "MESAJ",
        "status": "ONAY",
        "source": "HS_WEB",
        "consentDate": "2026-03-05 11:00:00",
    }
