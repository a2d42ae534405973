"""Whether the sender wrote it: only the receiving server's own word counts, and only for the right domain."""

from __future__ import annotations

import pytest

from mail.judging.authentication_results import (
    NAMELESS,
    SenderState,
    _without_comments,
    read_results,
    verdict_by_header,
)
from mail.reading.parse import parse

MX = "mx.provider.example"
YES, NO, OPEN = SenderState.CONFIRMED, SenderState.UNCONFIRMED, SenderState.UNCHECKED


def judged(*results: str, sender: str = "Carol <carol@customer.example>", server: str = MX, more: str = ""):
    lines = "".join(f"Authentication-Results: {result}\r\n" for result in results)
    return verdict_by_header(
        parse(f"{lines}{more}From: {sender}\r\nSubject: x\r\n\r\nHello\r\n".encode()), server
    )


@pytest.mark.parametrize(
    ("result", "state", "proof"),
    [
        ("dkim=pass header.d=customer.example", YES, "DKIM"),
        ("dkim=pass header.i=@customer.example", YES, "DKIM"),
        ("spf=pass smtp.mailfrom=carol@customer.example", YES, "SPF"),
        ("spf=pass smtp.mailfrom=customer.example; dkim=pass header.d=customer.example", YES, "SPF, DKIM"),
        ("spf=pass smtp.mailfrom=bounce.customer.example", YES, "SPF"),
        ("dmarc=pass (p=REJECT) header.from=customer.example", YES, "DMARC"),
        ("dkim=pass (2048-bit; unprotected) header.d=CUSTOMER.example header.b=\"ab;c\"", YES, "DKIM"),
        ("spf=fail smtp.mailfrom=customer.example; dkim=pass header.d=customer.example", YES, "DKIM"),
        # A pass of another domain is worth nothing.
        ("dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=x@evil.example", NO, ""),
        ("dkim=pass header.d=notcustomer.example", NO, ""),
        ("dkim=pass header.d=example", NO, ""),
        ("dkim=pass", NO, ""),
        ("spf=pass smtp.helo=customer.example", NO, ""),
        ("auth=pass smtp.auth=carol", NO, ""),
        ("dmarc=pass header.from=evil.example", NO, ""),
        ("none", OPEN, ""),
        ("spf=temperror smtp.mailfrom=customer.example", OPEN, ""),
        ("spf=none; dkim=none", NO, ""),
    ],
)  # fmt: skip
def test_what_a_result_is_worth(result, state, proof):
    found = judged(f"{MX}; {result}")
    assert (found.state, found.proof, found.refuted) == (state, proof, False)


@pytest.mark.parametrize(
    ("result", "proof"),
    [
        ("dmarc=fail header.from=customer.example", "DMARC"),
        ("dmarc=fail header.from=customer.example; dkim=pass header.d=customer.example", "DMARC"),
        ("spf=fail smtp.mailfrom=customer.example", "SPF"),
        ("spf=softfail smtp.mailfrom=customer.example; dkim=none", "SPF"),
        ("spf=fail smtp.mailfrom=customer.example; dkim=pass header.d=evil.example", "SPF"),
    ],
)
def test_what_speaks_against_a_sender(result, proof):
    found = judged(f"{MX}; {result}")
    assert (found.state, found.proof, found.refuted) == (NO, proof, True)


PASS = "dkim=pass header.d=customer.example; spf=pass smtp.mailfrom=customer.example; dmarc=pass"


@pytest.mark.parametrize(
    "results",
    [
        (f"evil.example; {PASS}",),
        (f"mx.provider.example.evil.example; {PASS}",),
        (f"evil.example; x=y {MX}; {PASS}",),
        (f"({MX}) evil.example; {PASS}",),
        (f'"evil {MX}"; {PASS}',),
        (PASS,),  # without a name
        ("evil.example; none", f"{MX}; {PASS}"),  # not the topmost
        ("",),
        (";;;", f"{MX}; {PASS}"),
    ],
)
def test_what_others_write_counts_for_nothing(results):
    assert judged(*results).state == OPEN


def test_what_the_server_did_not_prove_is_not_proven_further_down():
    found = judged(f"{MX}; spf=none smtp.mailfrom=customer.example", f"{MX}; {PASS}")
    assert found.state == NO


OWN = f"Received: from a.example (localhost)\r\n\tby {MX} (Postfix) with ESMTP id 1; Sun, 29 Nov 2026 23:14:26 +0000\r\n"
LMTP = f"Received: from {MX}\r\n\tby {MX} with LMTP id 2\r\n"
FORGED = f"Authentication-Results: {MX}; {PASS}\r\n"


def at_the_top(header: str):
    raw = f"{header}From: carol@customer.example\r\nSubject: x\r\n\r\nHello\r\n"
    return verdict_by_header(parse(raw.encode()), MX)


def results(*values: str) -> str:
    return "".join(f"Authentication-Results: {MX}; {value}\r\n" for value in values)


@pytest.mark.parametrize("above", ["", LMTP, "Return-Path: <carol@customer.example>\r\n", LMTP * 2])
@pytest.mark.parametrize(
    ("written", "state", "proof"),
    [
        (("dmarc=none header.from=customer.example", "spf=pass smtp.mailfrom=customer.example", "dkim=none"), YES, "SPF"),
        (("dkim=none", "spf=none", "dmarc=pass header.from=customer.example"), YES, "DMARC"),
        (("spf=pass smtp.mailfrom=customer.example", "dmarc=fail header.from=customer.example"), NO, "DMARC"),
        (("spf=none", "dkim=none"), NO, ""),
    ],
)  # fmt: skip
def test_a_server_of_several_programs_writes_several_fields(above, written, state, proof):
    """Postfix with opendkim and opendmarc: an unbroken run above its own Received."""
    marks = "DKIM-Filter: OpenDKIM Filter v2.11.0 mx 1\r\n"
    for header in (results(*written), results(written[0]) + marks + results(*written[1:])):
        found = at_the_top(above + header + OWN + FORGED)
        assert (found.state, found.proof) == (state, proof)


@pytest.mark.parametrize(
    "header",
    [
        results("spf=none") + OWN + FORGED,
        OWN
        + results("spf=none")
        + FORGED
        + OWN,  # a server that writes below its Received, and lets ours through
        LMTP + OWN + results("spf=none") + FORGED,
        results("spf=none") + FORGED,  # without a Received nobody knows where the server's fields end
        results("spf=none") + "Authentication-Results: other.example; spf=none\r\n" + FORGED + OWN,
    ],
)
def test_what_may_have_come_with_the_mail_is_not_the_server_s(header):
    assert at_the_top(header).state == NO


def test_without_a_known_name_nothing_is_believed():
    assert judged(f"{MX}; {PASS}", server="").state == OPEN
    assert judged(f"{MX}; {PASS}", server="MX.Provider.Example").state == YES


def test_microsoft_writes_no_name():
    line = (
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=customer.example; dkim=pass (signature was verified)"
        " header.d=customer.example;dmarc=pass action=none header.from=customer.example;compauth=pass reason=100"
    )
    assert judged(line, server=NAMELESS).proof == "SPF, DKIM, DMARC"
    assert judged(f"evil.example; {PASS}", server=NAMELESS).state == OPEN


@pytest.mark.parametrize(
    "sender",
    [
        "carol@customer.example, mallory@evil.example",
        "carol@customer.example\r\nFrom: mallory@evil.example",
    ],
)
def test_several_authors_are_nobody(sender):
    found = judged(f"{MX}; {PASS}", sender=sender)
    assert (found.state, found.refuted) == (NO, True)


def test_a_domain_beyond_ascii_is_compared_as_it_is_looked_up():
    found = judged(f"{MX}; dkim=pass header.d=xn--kse-qla.example", sender="c@käse.example")
    assert found.state == YES
    # Cyrillic а: another domain, which looks the same.
    found = judged(f"{MX}; dkim=pass header.d=customer.example", sender="carol@customer.exаmple")
    assert found.state == NO


@pytest.mark.parametrize(
    "value", ["(" * 5000, "(\\" * 5000, "a;" * 5000, "x; " + "spf=pass " * 2000, "\0;\0=\0", "mx 1; =="]
)
def test_odd_results_are_read_without_harm(value):
    name, results = read_results(value)
    assert isinstance(name, str) and len(results) <= value.count(";") + 1


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("a (b) c", "a   c"),
        ("a (b (c) d) e", "a   e"),
        (r"a (b \) c) d", "a   d"),
        ("a (b c", "a (b c"),
        ("a) b", "a) b"),
        ("(((((((a)))))))b", " b"),
    ],
)
def test_comments(written: str, bare: str) -> None:
    assert _without_comments(written) == bare


def test_many_signatures_push_no_verdict_out_of_sight() -> None:
    """Whoever signs a hundred times has a hundred results before that of DMARC."""
    signed = "".join(f" dkim=pass header.d=s{number}.evil.example;" for number in range(100))
    _, results = read_results(f"mx.example.org;{signed} dmarc=fail header.from=customer.example")
    assert results[-1].method == "dmarc" and results[-1].value == "fail"
