"""»Posteingangsbuch« in the browser: what it lists, adds up and lets administrators do."""

from __future__ import annotations

from html import unescape

import pytest

from desk.mailroom import balance, ledger
from desk.office import Office, the_account
from models import BlockedSender, Channel, InboundMail, InboundState, LedgerCount, Outcome, RawMail, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail

MALLORY = "Mallory <mallory@stranger.example>"


def held(channel: Channel, **values: str) -> InboundMail:
    row = arrive(channel, mail(x_spam_flag="YES", **values))
    assert row.state == InboundState.HELD
    return row


def text(client: PageClient, url: str) -> str:
    return unescape(client.get(url).get_data(as_text=True))


def test_the_list_its_filters_and_what_was_not_found(as_alice: PageClient, channel: Channel) -> None:
    empty = text(as_alice, "/system/ledger")
    assert "No mail yet" in empty
    filed, waiting = arrive(channel, mail(subject="Kettle")), held(channel, subject="You won", sender=MALLORY)
    page = text(as_alice, "/system/ledger")
    assert "Kettle" in page and "You won" in page
    assert "The mail server that received it marked it as spam." in page
    assert f"/tickets/{filed.ticket.number}" in page  # type: ignore[union-attr]
    page = text(as_alice, "/system/ledger?verdict=held&copy=none&period=day&channel=" + str(channel.id))
    assert "Kettle" not in page and "You won" in page
    assert 'aria-label="Without the filter “In quarantine”"' in page
    for query in ("mallory@stranger.example", "you WON", waiting.message_id, waiting.sha256[:12]):
        page = text(as_alice, f"/system/ledger?q={query}")
        assert ("Kettle" in page, "You won" in page) == (False, True), query
    assert "No mail like that" in text(as_alice, "/system/ledger?q=nothing")
    as_alice.get("/system/ledger?verdict=nonsense&copy=x&period=y&channel=z&before=-1&after=x")


def test_the_balance_is_red_with_an_explanation_when_a_row_is_lost(
    as_alice: PageClient, channel: Channel
) -> None:
    arrive(channel, mail())
    page = text(as_alice, "/system/ledger")
    assert "1 seen" in page and "does not add up" not in page
    db.session.query(LedgerCount).update({"seen": 3})
    db.session.commit()
    page = text(as_alice, "/system/ledger")
    assert "2 mails were seen and have no row any more." in page
    assert 'class="sum danger"' in page


def test_the_balance_is_counted_when_the_list_is_opened(
    as_alice: PageClient, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts every row, so turning a page does not wait for it."""
    arrive(channel, mail(subject="Kettle"))
    real, counted = balance.balances, list[str]()
    monkeypatch.setattr(balance, "balances", lambda: counted.append("once") or real())
    pages = [
        text(as_alice, f"/system/ledger{asked}") for asked in ("", "?verdict=reply", "?before=9", "?after=0")
    ]
    assert ["Check thoroughly now" in page for page in pages] == [True, True, False, False]
    assert "Kettle" in pages[2] and len(counted) == 2


def test_the_thorough_check_is_asked_for_and_told(as_alice: PageClient, channel: Channel) -> None:
    row = arrive(channel, mail())
    as_alice.post("/system/ledger/check")
    assert "Checked: the ledger adds up." in text(as_alice, "/system/ledger")
    row.outcome = Outcome.HELD
    db.session.commit()
    as_alice.post("/system/ledger/check")
    assert "State and verdict contradict each other." in text(as_alice, "/system/ledger")


@pytest.mark.parametrize("where", ["/system/ledger", "/quarantine"])
def test_a_mail_is_shown_as_text_and_nothing_else(as_alice: PageClient, channel: Channel, where: str) -> None:
    evil = "<script>alert(1)</script> <img src=x onerror=y> \u202emoc.live"
    row = held(channel, subject="<b>bold</b>", text=evil)
    page = as_alice.get(f"{where}/{row.id}").get_data(as_text=True)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "<b>bold" not in page and "\u202e" not in page
    assert "x-spam-flag: YES" in page
    got = as_alice.get(f"{where}/{row.id}/original")
    assert (got.mimetype, got.headers["Content-Security-Policy"]) == (
        "message/rfc822",
        "default-src 'none'; sandbox",
    )


def test_a_mail_whose_bytes_are_gone_says_so(as_alice: PageClient, channel: Channel, office: Office) -> None:
    row = arrive(channel, mail())
    office.blobs.forget(row.sha256)
    assert "The raw mail is missing on the disk." in text(as_alice, f"/system/ledger/{row.id}")
    row.raw = RawMail.GONE
    db.session.commit()
    assert "The raw mail is no longer here" in text(as_alice, f"/system/ledger/{row.id}")
    message = ledger.message_of(row)
    assert message is not None
    for what in ("original", "headers"):
        as_alice.get(f"/messages/{message.id}/{what}", 303)
        assert "The raw mail is no longer kept." in text(as_alice, "/profile")
    as_alice.get(f"/system/ledger/{row.id}/original", 404)


def test_a_mail_that_was_never_fetched_has_its_page(as_alice: PageClient, channel: Channel) -> None:
    row = InboundMail(
        channel_id=channel.id,
        via="imap",
        source_id="1/1:1",
        state=InboundState.LEFT_ALONE,
        outcome=Outcome.LEFT_ALONE,
        reason="was_read",
    )
    db.session.add(row)
    db.session.commit()
    assert "It lies on its server." in text(as_alice, f"/system/ledger/{row.id}")
    assert "(not fetched)" in text(as_alice, "/system/ledger")


def test_released_and_deleted_are_noted_with_who_did_it(as_alice: PageClient, channel: Channel) -> None:
    row = held(channel)
    as_alice.post(f"/system/ledger/{row.id}/discard")
    page = text(as_alice, f"/system/ledger/{row.id}")
    assert "Deleted by Alice Admin" in page and "Release as ticket" in page, "one may think again"
    as_alice.post(f"/system/ledger/{row.id}/release")
    db.session.expire_all()
    assert (row.outcome, row.reason) == (Outcome.NEW_TICKET, "released")
    assert "Let in by Alice Admin" in text(as_alice, f"/system/ledger/{row.id}")


def test_failed_mails_are_processed_again_all_at_once(
    as_alice: PageClient, channel: Channel, office: Office
) -> None:
    rows = [arrive(channel, mail(subject=f"no {n}")) for n in range(2)]
    failed = held(channel, subject="broken")
    failed.state, failed.outcome, failed.reason = InboundState.FAILED, Outcome.FAILED, "fault"
    db.session.commit()
    rung: list[str] = []
    office.ring = lambda job, at=None: rung.append(job)
    assert "Process 1 failed mail again" in text(as_alice, "/system/ledger")
    as_alice.post("/system/ledger/failed")
    db.session.expire_all()
    assert (failed.state, failed.reason, rung) == (InboundState.PENDING, "", ["process"])
    assert {row.outcome for row in rows} == {Outcome.NEW_TICKET}
    assert all(row.adds_up for row in balance.balances())


def test_putting_back_asks_first_and_explains_where_it_cannot(as_alice: PageClient, channel: Channel) -> None:
    row = arrive(channel, mail())
    page = text(as_alice, f"/system/ledger/{row.id}/mailbox")
    assert "there is no mailbox to put it into" in page and f"/system/ledger/{row.id}/original" in page
    as_alice.post(f"/system/ledger/{row.id}/mailbox", status=409)


def test_blocking_drops_what_comes_counts_it_and_can_be_taken_back(
    as_alice: PageClient, channel: Channel
) -> None:
    row = held(channel, sender=MALLORY)
    assert "Everybody at stranger.example" in text(as_alice, f"/quarantine/{row.id}/block")
    as_alice.post(f"/quarantine/{row.id}/block", {"pattern": "@elsewhere.example"}, status=422)
    as_alice.post(f"/quarantine/{row.id}/block", {"pattern": "mallory@stranger.example"})
    db.session.expire_all()
    assert (row.outcome, row.reason) == (Outcome.DROPPED, "discarded")
    later = arrive(channel, mail(sender="MALLORY@Stranger.example"))
    assert (later.outcome, later.reason, later.ticket) == (Outcome.DROPPED, "blocked_sender", None)
    page = text(as_alice, "/system/blocked-senders")
    assert "mallory@stranger.example" in page and "Alice Admin" in page
    blocked = db.session.query(BlockedSender).one()
    assert (blocked.stopped, blocked.last_stopped_at is not None) == (1, True)
    as_alice.post(f"/system/blocked-senders/{blocked.id}/removal")
    assert arrive(channel, mail(sender=MALLORY)).outcome == Outcome.NEW_TICKET
    assert "Nobody is blocked" in text(as_alice, "/system/blocked-senders")


def test_whoever_names_another_can_be_blocked_themselves(as_alice: PageClient, channel: Channel) -> None:
    pest = "posta-certificata@pec.evil.example"
    named = mail(sender=f'"Per conto di: mario@pec.example" <{pest}>', x_trasporto="posta-certificata")
    row = arrive(channel, named)
    page = text(as_alice, f"/system/ledger/{row.id}/block")
    assert f"came through {pest} and only says itself that mario@pec.example wrote it" in page
    assert "Everybody at pec.evil.example" in page and "Everybody at pec.example" in page
    assert "checked" not in page[page.index("Who is blocked") :], (
        "nobody is blocked unless somebody chooses them"
    )
    as_alice.post(f"/system/ledger/{row.id}/block", {"pattern": "other@pec.example"}, status=422)
    as_alice.post(f"/system/ledger/{row.id}/block", {"pattern": pest})
    other = mail(sender=f'"Per conto di: anna@pec.example" <{pest}>', x_trasporto="posta-certificata")
    assert arrive(channel, other).reason == "blocked_sender"
    plain = text(as_alice, f"/system/ledger/{arrive(channel, mail()).id}/block")
    assert "came through" not in plain and " checked" in plain


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nonsense", "not an e-mail address"),
        ("support-acme@poststelle.example", "cannot be blocked"),
        ("@acme.example", "cannot be blocked"),
    ],
)
def test_what_cannot_be_blocked_says_why(
    as_alice: PageClient, channel: Channel, typed: str, said: str
) -> None:
    page = as_alice.post("/system/blocked-senders", {"pattern": typed}, status=422).get_data(as_text=True)
    assert said in page and db.session.query(BlockedSender).count() == 0


def test_the_retention_is_set_and_checked(as_alice: PageClient) -> None:
    as_alice.post("/system/ledger/retention", {"days": "-1"}, status=422)
    as_alice.post("/system/ledger/retention", {"days": "x"}, status=422)
    as_alice.post("/system/ledger/retention", {"days": "0"})
    assert the_account().keep_raw_days == 0
    assert 'value="0"' in text(as_alice, "/system/ledger/retention")
