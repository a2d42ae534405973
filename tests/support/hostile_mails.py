"""Mails built to crash, to stall, to deceive or to smuggle: more than a hundred, by name, made when they are asked for."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

Maker = Callable[[], bytes]

MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"
TOP = b"From: Mallory <mallory@evil.example>\nTo: support-acme@poststelle.example\nSubject: Boese\n"
HTML = TOP + b"Content-Type: text/html; charset=utf-8\n\n"


def head(*lines: bytes, body: bytes = b"Hallo") -> bytes:
    return TOP + b"".join(line + b"\n" for line in lines) + b"\n" + body


def nested(depth: int, kind: bytes = b"mixed") -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/%s; boundary=b%d\n\n--b%d\n" % (kind, i, i) for i in range(depth)
    )
    return TOP + opening + b"\nhi\n" + b"".join(b"--b%d--\n" % i for i in reversed(range(depth)))


def attached(depth: int) -> bytes:
    """Mails inside each other, without a boundary to find."""
    return TOP + b"Content-Type: message/rfc822\n\n" * depth + b"Subject: innen\n\nhi"


def parts(count: int, part: bytes = b"--b\n\nx\n") -> bytes:
    return TOP + MIXED + part * count + b"--b--\n"


def encoded(data: bytes, kind: bytes, name: bytes = b"") -> bytes:
    named = b"; name=" + name if name else b""
    return head(
        b"Content-Type: " + kind + named, b"Content-Transfer-Encoding: base64", body=b""
    ) + base64.encodebytes(data)


def file(name: bytes) -> bytes:
    """A mail with a file of that name, as the parameter is written."""
    return (
        TOP + MIXED + b"--b\n\nAnbei.\n--b\nContent-Type: application/pdf\n"
        b"Content-Disposition: attachment; " + name + b"\n\n%PDF\n--b--\n"
    )


def report(status: bytes, sender: bytes = b"MAILER-DAEMON@evil.example") -> bytes:
    return (
        b"From: " + sender + b"\nSubject: Undelivered Mail Returned to Sender\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nfailed\n"
        b"--b\nContent-Type: message/delivery-status\n\n" + status + b"\n--b--\n"
    )


STRUCTURE: dict[str, Maker] = {
    "2,000 containers in each other": lambda: nested(2_000),
    "2,000 alternatives in each other": lambda: nested(2_000, b"alternative"),
    "2,000 signatures in each other": lambda: nested(2_000, b"signed; protocol=x"),
    "2,000 mails in each other": lambda: attached(2_000),
    "100,000 parts": lambda: parts(100_000),
    "100,000 parts that never end": lambda: parts(100_000)[:-6],
    "10,000 attached mails": lambda: parts(10_000, b"--b\nContent-Type: message/rfc822\n\nSubject: x\n\nx\n"),
    "10,000 HTML parts": lambda: parts(10_000, b"--b\nContent-Type: text/html\n\n<p>x\n"),
    "10,000 invitations": lambda: parts(
        10_000, b"--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n"
    ),
    "a digest of 5,000": lambda: (parts(5_000, b"--b\n\nSubject: x\n\nx\n")).replace(b"/mixed", b"/digest", 1),
    "a container in its own boundary": lambda: TOP + (MIXED + b"--b\n") * 40 + b"\nhi\n--b--\n",
    "a boundary that begins the outer one": lambda: (
        TOP + b"Content-Type: multipart/mixed; boundary=bb\n\n--bb\n" + MIXED + b"--b\n\nhi\n--b--\n--bb--\n"
    ),
    "a boundary of dashes": lambda: head(b'Content-Type: multipart/mixed; boundary="-"', body=b"-" * 2_000_000),
    "a boundary of 100 KB": lambda: (
        head(b"Content-Type: multipart/mixed; boundary=" + b"y" * 100_000, body=b"--" + b"y" * 100_000 + b"\n\nhi")
    ),
    "an empty boundary": lambda: head(b'Content-Type: multipart/mixed; boundary=""', body=b"--\n\nhi\n----\n"),
    "a boundary with a line end": lambda: head(
        b"Content-Type: multipart/mixed; boundary*=utf-8''b%0Ac", body=b"--b\nc\n\nhi"
    ),
    "almost the boundary": lambda: TOP + MIXED + b"\n--bx" * 500_000,
    "only the end of a container": lambda: TOP + MIXED + b"--b--\n",
    "a container in base64": lambda: encoded(b"--b\n\nhi\n--b--\n", b"multipart/mixed; boundary=b"),
    "a report without anything": lambda: head(b"Content-Type: multipart/report; report-type=delivery-status"),
    "a part of a mail": lambda: head(b'Content-Type: message/partial; id="x"; number=1; total=99999'),
    "a mail that lies elsewhere": lambda: head(
        b'Content-Type: message/external-body; access-type=local-file; name="/etc/passwd"'
    ),
    "a mail that is only a file": lambda: encoded(b"%PDF", b"application/pdf", b"a.pdf"),
    "an archive of nothing but zeros": lambda: encoded(zlib.compress(b"\0" * 50_000_000), b"application/zip", b"z.zip"),
}  # fmt: skip

HEADERS: dict[str, Maker] = {
    "2 MB in one field": lambda: head(b"X-A: " + b"y" * 2_000_000),
    "2 MB in one folded field": lambda: head(b"X-A: z" + b"\n y" * 700_000),
    "400,000 fields": lambda: TOP + b"a: b\n" * 400_000 + b"\nhi",
    "100,000 times the subject": lambda: b"Subject: x\n" * 100_000 + TOP + b"\nhi",
    "100,000 stray lines": lambda: TOP + b"z\n" * 100_000 + b"X-Last: x\n\nhi",
    "a field name of 100 KB": lambda: TOP + b"X-" + b"a" * 100_000 + b": x\n\nhi",
    "a subject of 1 MB": lambda: b"From: m@evil.example\nSubject: " + b"z" * 1_000_000 + b"\n\nhi",
    "only fields": lambda: TOP.rstrip(b"\n"),
    "no field at all": lambda: b"\nHallo",
    "nothing but a colon": lambda: b":",
    "nothing but an mbox line": lambda: b"From mallory@evil.example Mon Nov 23 10:00:00 2026\n",
    "begins in the middle of a field": lambda: b" gefaltet\n\tnoch einmal\n" + TOP + b"\nhi",
    "NUL in every field": lambda: TOP.replace(b"o", b"\0") + b"\n\0\0\0",
    "every octet in a field": lambda: head(b"X-A: " + bytes(c for c in range(256) if c not in (10, 13))),
    "carriage returns alone": lambda: head(body=b"a\rb").replace(b"\n", b"\r"),
    "line ends the wrong way round": lambda: head(body=b"a\n\rb").replace(b"\n", b"\n\r"),
    "in UTF-16": lambda: head().decode().encode("utf-16"),
    "behind a byte order mark": lambda: b"\xef\xbb\xbf" + head(),
    "500 megabytes promised": lambda: head(b"Content-Length: 524288000"),
    "types without end": lambda: head(b"Content-Type: " + b"text/plain; " * 5_000),
    "encodings without end": lambda: head(b"Content-Transfer-Encoding: " + b"base64 " * 20_000),
    "parameters that never close": lambda: head(b"Content-Type: text/plain" + b'; a="\\"' * 20_000),
    "100,000 parameters": lambda: head(b"Content-Type: text/plain" + b"; a=b" * 100_000),
    "100,000 pieces of a parameter": lambda: head(
        b"Content-Disposition: attachment" + b"".join(b"; filename*%d=x" % i for i in range(100_000))
    ),
    "a piece of a parameter far away": lambda: file(b"filename*999=b.pdf; filename*0=a"),
}  # fmt: skip

WORDS: dict[str, Maker] = {
    "100,000 encoded words": lambda: b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\n\nx",
    "encoded words that never end": lambda: b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\n\nx",
    "encoded words in encoded words": lambda: b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\n\nx",
    "an encoded word of 1 MB": lambda: b"Subject: =?utf-8?b?" + b"QUFB" * 250_000 + b"?=\n\nx",
    "encoded words of no charset": lambda: head(b"X: " + b"=?x-foo?q?=81=8d=9d=fe=ff=81?= a " * 500),
    "encoded words of compression": lambda: (
        b"Subject: =?zlib?b?" + base64.b64encode(zlib.compress(b"a" * 9_000_000)) + b"?=\n\nx"
    ),
    "encoded words of punycode": lambda: b"Subject: =?punycode?q?" + b"a" * 50_000 + b"-9999?=\n\nx",
    "encoded words of escapes": lambda: b"Subject: =?unicode_escape?q?=5Cu0000=5CN{BELL}?=\n\nx",
    "half surrogates in a subject": lambda: b"Subject: =?utf-16-le?b?ANgA2A==?= =?utf-8?b?7aCA?=\n\nx",
    "NUL in a subject": lambda: b"Subject: =?utf-8?q?a=00b?=\n\nx",
    "8-bit in 200 fields": lambda: head(*[b"X: " + bytes(range(128, 256)) * 8] * 200),
}  # fmt: skip

PEOPLE: dict[str, Maker] = {
    "3,000 addressees": lambda: head(b"Cc: " + b"a@b.example, " * 3_000),
    "100,000 commas": lambda: head(b"Cc: " + b",a" * 100_000),
    "quotes that never close": lambda: head(b"Cc: " + b'\\"' * 50_001),
    "comments that never close": lambda: head(b"Cc: " + b"\\(" * 50_000),
    "10,000 comments in each other": lambda: head(b"Cc: " + b"(" * 10_000 + b"x" + b")" * 10_000 + b" <a@b.example>"),
    "brackets without end": lambda: head(b"Cc: " + b"<@>" * 30_000),
    "groups without end": lambda: head(b"Cc: " + b"a:" * 50_000),
    "a route of 10,000 hosts": lambda: b"From: <" + b"@a.example," * 10_000 + b":m@evil.example>\n\nx",
    "no sender": lambda: b"Subject: x\n\nx",
    "an empty sender": lambda: b"From: <>\nReply-To:\nSubject: x\n\nx",
    "a sender without host": lambda: b"From: mallory@\nMessage-ID: <>\nSubject: x\n\nx",
    "a sender of 1 MB": lambda: b"From: " + b"a" * 1_000_000 + b"@evil.example\nSubject: x\n\nx",
    "a name of 1 MB": lambda: b'From: "' + b"n" * 1_000_000 + b'" <m@evil.example>\nSubject: x\n\nx',
    "a name with another address": lambda: b'From: "alice@acme.example" <m@evil.example>\nSubject: x\n\nx',
    "a name with a line end": lambda: b"From: =?utf-8?q?a=0D=0ABcc:_x@y.example?= <m@evil.example>\nSubject: x\n\nx",
    "a name right to left": lambda: b"From: =?utf-8?q?=E2=80=AEecila?= <m@evil.example>\nSubject: x\n\nx",
    "100 senders": lambda: b"From: " + b", ".join(b"m%d@evil.example" % i for i in range(100)) + b"\nSubject: x\n\nx",
    "a Message-ID of 1 MB": lambda: head(b"Message-ID: <" + b"a" * 1_000_000 + b"@evil.example>"),
    "100,000 references": lambda: head(b"References: " + b"".join(b"<%d@b> " % i for i in range(100_000))),
    "a date in the year 99999": lambda: head(b"Date: Fri, 31 Dec 99999 23:59:59 +0000"),
    "the 32nd of February": lambda: head(b"Date: Mon, 32 Feb 2026 25:61:61 +9999"),
    "a date before time": lambda: head(b"Date: Mon, 1 Jan 0000 00:00:00 -9999"),
    "a date of a million digits": lambda: head(b"Date: 1 Jan " + b"9" * 1_000_000),
}  # fmt: skip

BODIES: dict[str, Maker] = {
    "nothing": lambda: b"",
    "one line end": lambda: b"\n",
    "a line of 50 MB": lambda: head(body=b"x" * (50 * 1024 * 1024 - 200)),
    "20 MB of line ends": lambda: head(body=b"\n" * 20_000_000),
    "10 MB of NUL": lambda: head(body=b"\0" * 10_000_000),
    "5 MB in 2-octet lines, encoded": lambda: encoded(b"a\n" * 2_500_000, b"text/plain"),
    "every octet there is": lambda: head(body=bytes(range(256)) * 2_000),
    "half surrogates": lambda: head(b"Content-Type: text/plain; charset=utf-16", body=b"\xd8\x00" * 50_000),
    "UTF-16 that is ASCII": lambda: head(b"Content-Type: text/plain; charset=utf-16", body=b"Hallo Welt"),
    "UTF-32 cut short": lambda: head(b"Content-Type: text/plain; charset=utf-32", body=b"\xff\xfe\0\0a\0\0"),
    "UTF-7 with a script": lambda: head(b"Content-Type: text/html; charset=utf-7", body=b"+ADw-script+AD4-x"),
    "escapes without end": lambda: head(b"Content-Type: text/plain; charset=iso-2022-jp", body=b"\x1b$B" * 100_000),
    "Russian called ASCII": lambda: head(
        b"Content-Type: text/plain; charset=us-ascii", body="Добрый день, ".encode("koi8-r") * 1_000
    ),
    "a charset that is compression": lambda: head(b"Content-Type: text/plain; charset=zlib", body=b"x\x9c"),
    "base64 in crumbs": lambda: head(b"Content-Type: a/b", b"Content-Transfer-Encoding: base64", body=b"A=\n" * 500_000),
    "base64 of anything": lambda: head(b"Content-Transfer-Encoding: base64", body=bytes(range(256)) * 100),
    "quoted-printable of anything": lambda: head(
        b"Content-Transfer-Encoding: quoted-printable", body=b"=\n=X=3=" * 100_000
    ),
    "an encoding nobody knows": lambda: head(b"Content-Transfer-Encoding: x-rot13; y", body=b"Unyyb"),
    "a log with quotes": lambda: head(body=b"> a\nb\n" * 100_000),
    "quotes 5,000 deep": lambda: head(body=b">" * 5_000 + b" a\n" * 100),
    "attributions without end": lambda: head(body=b"hi\n" + b"On a 1 " * 100_000),
    "attributions in a row": lambda: head(body=b"hi\n" + b"On a 1\n" * 19_000),
    "files that never end": lambda: head(body=b"begin 644 a\nM\n" * 100_000),
    "a calendar of one line": lambda: head(b"Content-Type: text/calendar", body=b"BEGIN:VEVENT\nX;A=" + b'"' * 200_000),
    "a winmail.dat of nothing but sizes": lambda: encoded(
        b"\x78\x9f\x3e\x22\0\0" + b"\xff" * 100_000, b"application/ms-tnef", b"winmail.dat"
    ),
    "a signature of nothing but sizes": lambda: encoded(b"\x30\x80" * 100_000, b"application/pkcs7-mime", b"smime.p7m"),
    "PGP without end": lambda: head(body=b"-----BEGIN PGP MESSAGE-----\n" * 30_000),
}  # fmt: skip

PAGES: dict[str, Maker] = {
    "20,000 elements in each other": lambda: HTML + b"<div>" * 20_000,
    "elements closed by others": lambda: HTML + b"<font><i><div></font>" * 20_000,
    "a table in a table, 3,000 times": lambda: HTML + b"<table><tr><td>" * 3_000,
    "100,000 attributes": lambda: HTML + b"<a " + b" ".join(b"a%d" % i for i in range(100_000)) + b">x</a>",
    "attributes behind a false quote": lambda: (
        HTML + b'<!-- <a x=" --><a ' + b"/".join(b"a%d" % i for i in range(100_000)) + b">x</a>"
    ),
    "a million brackets": lambda: HTML + b"<" * 1_000_000,
    "a comment that never closes": lambda: HTML + b"hi <!--" + b"-" * 500_000,
    "entities without end": lambda: HTML + b"&#x41;&amp;&lt" * 100_000,
    "a picture in the text": lambda: HTML + b"<img src='data:image/png;base64," + b"A" * 900_000 + b"'>",
    "50,000 pictures of this mail": lambda: HTML + b"<img src=cid:x>" * 50_000,
    "quotes beside quotes": lambda: HTML + b"hi" + b"<div class=gmail_quote>x</div>" * 10_000,
    "rules beside rules": lambda: HTML + b"hi" + b"<div style='border-top:solid red 1pt'>Von: x</div>" * 5_000,
    "a script cut by NUL": lambda: HTML + b"<scr\0ipt>alert(1)</scr\0ipt><img src=x onerror=alert(1)>",
}  # fmt: skip

FILES: dict[str, Maker] = {
    "a name that climbs": lambda: file(b'filename="../../../../etc/passwd"'),
    "a name that climbs, encoded": lambda: file(b"filename*=utf-8''..%2F..%2Fetc%2Fpasswd"),
    "a name on a drive": lambda: file(b'filename="C:\\\\Windows\\\\system32\\\\cmd.exe"'),
    "a name right to left, as a file": lambda: file(b"filename*=utf-8''rechnung%E2%80%AEfdp.exe"),
    "a name with hidden letters": lambda: file(b"filename*=utf-8''a%E2%80%8B.%E2%80%8B%2E%2Fb%EF%BB%BF.pdf"),
    "a name with NUL": lambda: file(b"filename*=utf-8''a.pdf%00.exe"),
    "a name with a line end": lambda: file(b"filename*=utf-8''a%0D%0ASet-Cookie:%20x"),
    "a name of dots": lambda: file(b'filename="..."'),
    "a name of a device": lambda: file(b'filename="CON.txt"'),
    "a name of 100 KB": lambda: file(b'filename="' + b"n" * 100_000 + b'.pdf"'),
    "a name of markup": lambda: file(b"filename*=utf-8''%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E.pdf"),
    "a name of slashes that look alike": lambda: file(b"filename*=utf-8''..%E2%88%95..%EF%BC%8Fa.pdf"),
    "a name of half surrogates": lambda: file(b"filename*=utf-8''%ED%A0%80.pdf"),
}  # fmt: skip

INJECTION: dict[str, Maker] = {
    "a field in the subject": lambda: b"From: m@evil.example\nSubject: =?utf-8?q?x=0D=0ABcc:_y@z.example?=\n\nx",
    "a field in the Message-ID": lambda: head(b"Message-ID: <a=?q?=0D=0AX:_y?=@evil.example>"),
    "a field in Reply-To": lambda: head(b"Reply-To: =?utf-8?q?a@b.example=0ABcc:_c@d.example?="),
    "a second mail behind a dot": lambda: head(body=b"a\n.\nMAIL FROM:<x@evil.example>\nDATA\nSubject: y\n\nb"),
    "a second mail, CRLF": lambda: head(body=b"a\r\n.\r\nMAIL FROM:<x@evil.example>\r\n"),
    "a second mail, LF and CRLF": lambda: head(body=b"a\n.\r\nMAIL FROM:<x@evil.example>\r\n"),
    "a second mail, bare CR": lambda: head(body=b"a\r.\rMAIL FROM:<x@evil.example>\r"),
    "control fields of ours": lambda: head(b"X-Poststelle-Loop: forged", b"Auto-Submitted: no", b"X-Spam-Flag: no"),
    "an authentication of its own": lambda: head(b"Authentication-Results: poststelle.example; dkim=pass; spf=pass"),
    "an answer to everything": lambda: head(
        b"In-Reply-To: " + b"".join(b"<%d.abcdefgh.x@poststelle.example> " % i for i in range(900))
    ),
}  # fmt: skip

REPORTS: dict[str, Maker] = {
    "100,000 failed recipients": lambda: report(
        b"Reporting-MTA: dns; x\n" + b"\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n" * 100_000
    ),
    "a status of 1 MB": lambda: report(b"Final-Recipient: rfc822; " + b"a" * 1_000_000 + b"@b.example\nAction: failed"),
    "a status in folds": lambda: report(b"Final-Recipient: rfc822;" + b"\n " * 200_000 + b"a@b.example\nAction: failed"),
    "failed recipients in a header": lambda: head(b"X-Failed-Recipients: " + b"a@b.example, " * 50_000),
    "a report of one line": lambda: (
        b"From: mailer-daemon@evil.example\nSubject: failure\n\n" + b"a." * 100_000 + b"@" + b"error " * 50_000
    ),
}  # fmt: skip

CASES: dict[str, Maker] = {
    **STRUCTURE, **HEADERS, **WORDS, **PEOPLE, **BODIES, **PAGES, **FILES, **INJECTION, **REPORTS,
}  # fmt: skip
