"""Full text over subjects, senders, texts and file names: FTS5 on SQLite, tsvector on PostgreSQL.

Both index the same normalised words, so that »strasse« finds »Straße« and »gruesse« finds »Grüße«.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sqlalchemy import Select, column, func, or_, select, table, text
from sqlalchemy.sql import ColumnElement

from models import Message, Ticket, db

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_WORD = re.compile(r"[^\W_]+")
MAX_INDEXED = 100_000  # characters of one message

_fts = table("message_search", column("rowid"), column("body"))
_ENTER = {
    "sqlite": text("INSERT INTO message_search(rowid, body) VALUES (:id, :body)"),
    "postgresql": text(
        "INSERT INTO message_search(message_id, vector) VALUES (:id, to_tsvector('simple', :body))"
    ),
}
_vectors = table("message_search", column("message_id"), column("vector"))


def index_message(message: Message, *extra: str) -> None:
    """Enter a message, in the transaction that stores it. `extra` holds file names and the like."""
    parts = (message.subject, message.from_name, message.from_address, message.text[:MAX_INDEXED], *extra)
    words = normalise(" ".join(parts))
    connection = db.session.connection()
    connection.execute(_ENTER[connection.dialect.name], {"id": message.id, "body": words})


def forget_message(message: Message) -> None:
    """What was never sent is not found, in the running transaction."""
    key = "rowid" if db.session.get_bind().dialect.name == "sqlite" else "message_id"
    db.session.execute(text(f"DELETE FROM message_search WHERE {key} = :id"), {"id": message.id})  # noqa: S608


def matching(query: str) -> ColumnElement[bool]:
    """A condition on Ticket: every word of the query begins a word in one of its messages.

    A lone number, with or without #, also finds the ticket of that number.
    """
    found: ColumnElement[bool] = Ticket.id.in_(_tickets_with(query))
    number = query.strip().lstrip("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        whole = select(func.coalesce(Ticket.merged_into_id, Ticket.id)).where(Ticket.number == int(number))
        found = or_(found, Ticket.id.in_(whole))
    return found


def normalise(value: str) -> str:
    """Words in lower case; a word with umlauts stands twice: as »grusse« and as »gruesse«."""
    text = unicodedata.normalize("NFC", value).casefold().replace("\0", "")
    words = _WORD.findall(text)
    if not text.isascii():
        words = [word if word.isascii() else _spellings(word) for word in words]
    return " ".join(words)


@lru_cache(maxsize=4096)
def _spellings(word: str) -> str:
    bare, spelled_out = _bare(word), _bare(word.translate(_UMLAUTS))
    return bare if bare == spelled_out else f"{bare} {spelled_out}"


def _bare(word: str) -> str:
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _tickets_with(query: str) -> Select[int]:
    # One spelling of each word is enough to look for: the index holds both.
    words = [_bare(word) for word in _WORD.findall(unicodedata.normalize("NFC", query).casefold())][:12]
    words = [word for word in words if word.isalnum()]
    if not words:
        return select(Message.ticket_id).where(text("1 = 0"))
    if db.session.get_bind().dialect.name == "sqlite":
        match = " ".join(f'"{word}"*' for word in words)
        hits = select(_fts.c.rowid).where(text("message_search MATCH :match").bindparams(match=match))
    else:
        prefix = " & ".join(f"{word}:*" for word in words)
        hits = select(_vectors.c.message_id).where(
            _vectors.c.vector.op("@@")(func.to_tsquery(text("'simple'"), prefix))
        )
    return select(Message.ticket_id).where(Message.id.in_(hits))
