"""`make fuzz`: mutations of mails, each read, judged and made safe: no exception, none slow.

Takes the mails of `tests/mails` or, with MAILS=folder, all files below that folder. The seed is printed; the same
seed makes the same mutations.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from pathlib import Path

from mail.judging.bounces import read_bounce
from mail.judging.forward_requests import read_forward_check
from mail.judging.rules import judge
from mail.judging.ticket_clues import find_clues
from mail.reading.language import detect
from mail.reading.parse import parse
from mail.showing.clean import clean_html, fold_text, snippet
from mail.types import Facts

MAILS = Path(__file__).parents[1] / "mails"
LARGEST = 300_000  # octets: what is larger is mutated for its beginning
PATIENCE = 5.0  # seconds of computing
# What stands at the joints of mails.
TOKENS = (
    b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b"--", b'"', b"\\", b"(", b")", b"<", b">", b"@", b",", b";", b":", b"=", b"=?",
    b"?=", b"=?utf-8?q?", b"=?iso-2022-jp?b?", b"%", b"''", b"*0*=", b"boundary=", b"charset=", b"charset=utf-16", b"base64",
    b"quoted-printable", b"multipart/mixed", b"multipart/report", b"message/rfc822", b"message/delivery-status", b"text/html",
    b"text/calendar", b"application/ms-tnef", b"Content-Type: ", b"Content-Transfer-Encoding: base64\n", b"From: ", b"Date: ",
    b"Subject: ", b"begin 644 a\n", b"BEGIN:VEVENT\n", b"Final-Recipient: rfc822;", b"> ", b"On 1 Jan, a <b@c> wrote:\n", b"-- \n",
    b"\xff", b"\xc3", b"\xe4", b"\xef\xbb\xbf", b"\x1b$B", b"\xe2\x80\xae", b"<!--", b"<div>" * 50, b"&#x", b"\x78\x9f\x3e\x22",
)  # fmt: skip


def mutated(raw: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """One to six small accidents."""
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice((1, 2, 8, 64, 512, 4096)))
        match chance.randrange(8):
            case 0:
                raw = raw[:at] + raw[end:]
            case 1:
                raw = raw[:at] + chance.choice(TOKENS) + raw[at:]
            case 2:
                raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
            case 3:
                raw = raw[:end] + raw[at:end] * chance.choice((1, 3, 30)) + raw[end:]
            case 4:
                raw = raw[:at]
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                raw = raw[:at] + other[start : start + (end - at)] + raw[at:]
            case 6:
                raw = raw[:at] + raw[at:end][::-1] + raw[end:]
            case _:
                raw = raw[:at] + raw[at:].replace(chance.choice(TOKENS), chance.choice(TOKENS), 3)
    return raw[: 2 * LARGEST]


def read_whole(raw: bytes) -> None:
    """All that happens to a mail before it is stored. Raises what a bug of ours would raise."""
    mail = parse(raw)
    assert "unreadable" not in mail.defects, "the parser raised"
    bounce = read_bounce(raw, mail)
    judge(mail, Facts(), bounce)
    find_clues(mail, b"key", ())
    read_forward_check(mail)
    detect(mail.text, mail.headers)
    folded = fold_text(mail.text)
    assert folded.visible + folded.quoted == mail.text, "words were lost in folding"
    snippet(mail.text)
    clean_html(mail.html, {})
    for words in (
        mail.subject,
        mail.text,
        mail.html,
        mail.sender.name,
        *(part.name for part in mail.attachments),
    ):
        words.encode()  # no lone surrogate
        assert "\0" not in words


def main(folder: str, count: int, seed: int) -> int:
    files = sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.suffix not in (".json", ".md"))
    mails = [path.read_bytes()[:LARGEST] for path in files]
    chance = random.Random(seed)
    failures, slowest = 0, 0.0
    for number in range(count):
        index = chance.randrange(len(mails))
        raw = mutated(mails[index], chance, mails)
        started = time.process_time()
        try:
            read_whole(raw)
        except Exception:
            failures += 1
            print(f"mutation {number} of {files[index].name} (seed {seed}):\n{traceback.format_exc()}")
        spent = time.process_time() - started
        slowest = max(slowest, spent)
        if spent > PATIENCE:
            failures += 1
            print(f"mutation {number} of {files[index].name} (seed {seed}) took {spent:.1f} s")
    print(
        f"{count} mutations of {len(mails)} mails, seed {seed}: {failures} failures, slowest {slowest:.2f} s"
    )
    return 1 if failures or not mails else 0


if __name__ == "__main__":
    chosen = sys.argv[1] or str(MAILS)
    sys.exit(
        main(chosen, int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10**6))
    )
