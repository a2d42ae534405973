"""The bare limits of taking in mail: straight Python that does only the necessary parts of the same work.

From the mailbox in batches of 50 UIDs and at most 16 MiB (IMAPClient, the same TLS server) · the raw bytes and
the attachments durable in the same blob store as ours · parsed, with the text decoded · the thread found by
In-Reply-To and References over an index · a row for ticket, message and each attachment, `synchronous=FULL`,
one commit per mail · then the batch deleted on the server by UID.

They leave out everything that makes a helpdesk of it: contacts, ledger, judging, bounces, notices, signed
clues, quotes, safe HTML, snippets, events, search index, health, faults, leases, a second process.

Four of them: rows by SQLAlchemy's ORM or by plain SQL (sqlite3), mail read by the standard library
(`email.message_from_bytes`, compat32) or by fast-mail-parser, which is written in Rust.
"""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as StdlibMessage
from email.utils import parseaddr
from pathlib import Path

from fast_mail_parser import parse_email
from imapclient import IMAPClient
from sqlalchemy import Engine, ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from models.blobs import BlobStore

BATCH_MAILS, BATCH_BYTES = 50, 16 * 1024 * 1024
SCHEMA = """
    CREATE TABLE ticket (id INTEGER PRIMARY KEY, subject TEXT, sender TEXT);
    CREATE TABLE message (id INTEGER PRIMARY KEY, ticket_id INTEGER REFERENCES ticket(id), sha256 TEXT, sender TEXT,
        subject TEXT, message_id TEXT, text TEXT, html TEXT);
    CREATE INDEX message_message_id ON message (message_id);
    CREATE INDEX message_ticket_id ON message (ticket_id);
    CREATE TABLE attachment (id INTEGER PRIMARY KEY, message_id INTEGER REFERENCES message(id), name TEXT, type TEXT,
        size INTEGER, sha256 TEXT);
    CREATE INDEX attachment_message_id ON attachment (message_id);
"""
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


@dataclass(frozen=True, slots=True)
class Read:
    message_id: str
    named: list[str]  # In-Reply-To and References
    sender: str
    subject: str
    text: str
    html: str
    files: list[tuple[str, str, bytes]]


Parse = Callable[[bytes], Read]
Store = Callable[[str, Read, list[str]], None]


def run(kind: str, parser: str, folder: Path, port: int, user: str, password: str) -> None:
    """Take in a whole mailbox. `kind` is orm or sql, `parser` stdlib or fast."""
    blobs = BlobStore(folder / "blobs")
    parse = {"stdlib": by_stdlib, "fast": by_fast_parser}[parser]
    store = {"orm": orm_store, "sql": sql_store}[kind](folder / "bare.db")
    client = IMAPClient("localhost", port, ssl=True, ssl_context=ssl.create_default_context())
    client.login(user, password)
    client.select_folder("INBOX")
    for uids in batches(client):
        answer = client.fetch(uids, ["BODY.PEEK[]"])
        raws = [answer[uid][b"BODY[]"] for uid in uids]
        for raw, digest in zip(raws, blobs.put_all(raws), strict=True):
            mail = parse(raw)
            store(digest, mail, blobs.put_all([data for _, _, data in mail.files]))
        client.add_flags(uids, [b"\\Deleted"], silent=True)
        client.uid_expunge(uids)
    client.logout()


def batches(client: IMAPClient) -> Iterator[list[int]]:
    sizes = client.fetch(client.search(["UNSEEN"]), ["RFC822.SIZE"])
    batch: list[int] = []
    total = 0
    for uid in sorted(sizes):
        size = sizes[uid][b"RFC822.SIZE"]
        if batch and (len(batch) == BATCH_MAILS or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(uid)
        total += size
    if batch:
        yield batch


# --- reading


def by_stdlib(raw: bytes) -> Read:
    mail = message_from_bytes(raw)
    text, html, files = [], [], []
    for part in mail.walk():
        if part.is_multipart():
            continue
        name = part.get_filename()
        if name is None and part.get_content_maintype() == "text":
            (html if part.get_content_subtype() == "html" else text).append(_words(part))
        else:
            files.append((_decoded(name or ""), part.get_content_type(), part.get_payload(decode=True)))
    return Read(
        message_id=mail["Message-ID"] or "",
        named=f"{mail['In-Reply-To'] or ''} {mail['References'] or ''}".split(),
        sender=parseaddr(_decoded(mail["From"] or ""))[1],
        subject=_decoded(mail["Subject"] or ""),
        text="\n".join(text),
        html="\n".join(html),
        files=files,
    )


def _words(part: StdlibMessage) -> str:
    return part.get_payload(decode=True).decode(part.get_content_charset("utf-8"), "replace")


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value))) if "=?" in value else value


def by_fast_parser(raw: bytes) -> Read:
    mail = parse_email(raw)
    headers = {name.lower(): values[0] for name, values in mail.headers.items()}
    return Read(
        message_id=headers.get("message-id", ""),
        named=f"{headers.get('in-reply-to', '')} {headers.get('references', '')}".split(),
        sender=parseaddr(headers.get("from", ""))[1],
        subject=mail.subject,
        text="\n".join(mail.text_plain),
        html="\n".join(mail.text_html),
        files=[(file.filename, file.mimetype, bytes(file.content)) for file in mail.attachments],
    )


# --- rows by plain SQL


def sql_store(path: Path) -> Store:
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    database.executescript(SCHEMA)

    def store(digest: str, mail: Read, digests: list[str]) -> None:
        database.execute("BEGIN IMMEDIATE")
        ticket = None
        if mail.named:
            marks = ",".join("?" * len(mail.named))
            ticket = database.execute(
                f"SELECT ticket_id FROM message WHERE message_id IN ({marks}) LIMIT 1", mail.named
            ).fetchone()
        ticket_id = (
            ticket[0]
            if ticket
            else database.execute(
                "INSERT INTO ticket (subject, sender) VALUES (?, ?)", (mail.subject, mail.sender)
            ).lastrowid
        )
        message_id = database.execute(
            "INSERT INTO message (ticket_id, sha256, sender, subject, message_id, text, html) VALUES (?,?,?,?,?,?,?)",
            (ticket_id, digest, mail.sender, mail.subject, mail.message_id, mail.text, mail.html),
        ).lastrowid
        database.executemany(
            "INSERT INTO attachment (message_id, name, type, size, sha256) VALUES (?,?,?,?,?)",
            [
                (message_id, name, media_type, len(data), file_digest)
                for (name, media_type, data), file_digest in zip(mail.files, digests, strict=True)
            ],
        )
        database.execute("COMMIT")

    return store


# --- rows by the ORM


class Base(DeclarativeBase):
    pass


class Ticket(Base):
    __tablename__ = "ticket"
    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    sender: Mapped[str]


class Message(Base):
    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    sha256: Mapped[str]
    sender: Mapped[str]
    subject: Mapped[str]
    message_id: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]
    html: Mapped[str]
    ticket: Mapped[Ticket] = relationship()
    attachments: Mapped[list[Attachment]] = relationship()


class Attachment(Base):
    __tablename__ = "attachment"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"), index=True)
    name: Mapped[str]
    type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]


def orm_store(path: Path) -> Store:
    engine = _engine(path)
    Base.metadata.create_all(engine)
    session = Session(engine)

    def store(digest: str, mail: Read, digests: list[str]) -> None:
        ticket = None
        if mail.named:
            ticket = session.scalar(
                select(Ticket).join(Message).where(Message.message_id.in_(mail.named)).limit(1)
            )
        session.add(
            Message(
                ticket=ticket or Ticket(subject=mail.subject, sender=mail.sender),
                sha256=digest,
                sender=mail.sender,
                subject=mail.subject,
                message_id=mail.message_id,
                text=mail.text,
                html=mail.html,
                attachments=[
                    Attachment(name=name, type=media_type, size=len(data), sha256=file_digest)
                    for (name, media_type, data), file_digest in zip(mail.files, digests, strict=True)
                ],
            )
        )
        session.commit()

    return store


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    return engine
