"""What is remembered of a channel's troubles and fetches, and how it is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask_babel import force_locale

from blueprints.labels.channel_history import channel_history
from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues
from models import Channel, FetchRecord, Incident, db, now
from tests.support.browsing import PageClient


@pytest.fixture
def own(app: object) -> Channel:
    return channels.create(
        ChannelValues(
            key="Books", address="books@x.example", provider="own", protocol="imap", server="localhost",
            port=993, user="books", password="secret", smtp_server="localhost",
        )
    )  # fmt: skip


def incidents() -> list[tuple[str, str, int, str]]:
    db.session.expire_all()
    rows = db.session.query(Incident).order_by(Incident.id)
    return [(str(row.trouble), row.code, row.failures, str(row.ending or "open")) for row in rows]


def test_an_incident_is_one_from_its_first_failure_to_the_recovery(own: Channel) -> None:
    health.record_failure(own.id, "timeout", "", True)
    health.record_failure(own.id, "auth_failed", "no", False)
    assert incidents() == [("fetch", "auth_failed", 2, "open")]
    health.record_success(own.id)
    health.record_success(own.id)
    assert incidents() == [("fetch", "auth_failed", 2, "recovered")]
    health.record_failure(own.id, "timeout", "", True)
    assert incidents()[1:] == [("fetch", "timeout", 1, "open")]
    first = db.session.query(Incident).order_by(Incident.id).first()
    assert first is not None and first.told_at is None and first.told_end_at is None


def test_refused_removals_are_a_trouble_of_their_own(own: Channel) -> None:
    health.record_success(own.id, refused=3, words="NO [NOPERM]")
    health.record_failure(own.id, "timeout", "", True)
    health.record_success(own.id, refused=2, words="NO [NOPERM]")
    assert incidents() == [("removal", "removal_refused", 2, "open"), ("fetch", "timeout", 1, "recovered")]
    assert (own.refused, own.failing_since) == (2, None)
    health.record_success(own.id)
    assert (incidents()[0][3], own.refused) == ("recovered", 0)


def test_a_goodbye_without_an_answer_is_a_trouble_the_second_time(own: Channel) -> None:
    health.record_success(own.id, refused=1)
    assert (incidents(), own.refused) == ([], 1)
    health.record_success(own.id)
    health.record_success(own.id, refused=1)
    assert incidents() == []
    health.record_success(own.id, refused=1)
    assert incidents() == [("removal", "removal_refused", 1, "open")]


def test_a_mail_that_is_never_handed_out_whole_shows_on_the_channel(
    own: Channel, as_alice: PageClient
) -> None:
    shown = "The server does not hand out some mails whole."
    health.record_success(own.id, withheld=["UID 7"])
    assert incidents() == [] and shown not in as_alice.get("/system/channels").get_data(as_text=True)
    health.record_success(own.id, withheld=["UID 7", "UID 9"])
    health.record_success(own.id)  # only removals: says nothing of it
    assert incidents() == [("withheld", "mail_withheld", 1, "open")]
    assert shown in as_alice.get("/system/channels").get_data(as_text=True)
    page = as_alice.get(f"/system/channels/{own.id}").get_data(as_text=True)
    assert "UID 7, UID 9" in page and "forward them to this channel" in page
    health.record_success(own.id, withheld=[])
    assert incidents() == [("withheld", "mail_withheld", 1, "recovered")] and own.withheld == 0


@pytest.mark.parametrize("way", ["switched off", "deleted"])
def test_a_changed_channel_ends_its_incidents_unmended(own: Channel, way: str) -> None:
    health.record_failure(own.id, "timeout", "", True)
    db.session.expire_all()
    channels.delete(own) if way == "deleted" else channels.set_active(own, False)
    assert incidents() == [("fetch", "timeout", 1, "edited")]


def test_what_an_old_fetch_found_does_not_touch_the_edited_channel(own: Channel) -> None:
    health.record_failure(own.id, "timeout", "", True, edition=own.edition - 1)
    assert incidents() == []


def test_only_fetches_that_did_something_are_kept_and_only_the_last(own: Channel) -> None:
    for number in range(health.RECORDS_KEPT + 3):
        health.keep(FetchRecord(channel_id=own.id, began_at=now(), fetched=number))
    kept = [record.fetched for record in db.session.query(FetchRecord).order_by(FetchRecord.id)]
    assert kept == list(range(3, health.RECORDS_KEPT + 3))
    assert [record.fetched for record in health.last_fetches(own.id, 2)] == [52, 51]


def test_the_channel_page_tells_it_in_words(own: Channel, as_alice: PageClient) -> None:
    health.record_failure(own.id, "auth_failed", "535 no", False)
    health.record_success(own.id, refused=1, words="NO [NOPERM] read-only")
    began = now() - timedelta(days=3)
    health.keep(FetchRecord(channel_id=own.id, began_at=began, fetched=2, removed=1, refused=1, held=3))
    health.keep(FetchRecord(channel_id=own.id, began_at=began, code="timeout", words="", left_alone=1))
    db.session.expire_all()
    page = as_alice.get(f"/system/channels/{own.id}").text
    for text in (
        "The server does not remove mails that became tickets.", "1 copy is still there",
        "Sign-in refused", "535 no", "NO [NOPERM] read-only",
        "2 mails fetched · 3 mails held · 1 copy cleared on the server · 1 copy not removed",
        "The server stopped answering. 1 mail left alone",
    ):  # fmt: skip
        assert text in page, text
    with force_locale("de"):
        fetches = [one.text for one in channel_history(own).fetches]
    assert fetches[0] == "Der Server antwortet nicht mehr. 1 Mail unberührt gelassen"
