"""The languages of requesters: our own two, and those that an administrator added with texts of their own."""

from __future__ import annotations

from sqlalchemy import func, select, update

from config import LOCALES
from desk.batch_cache import asked_once
from desk.office import the_account
from desk.texts import notice_texts
from models import Channel, Contact, NoticeText, RequesterLanguage, db
from models.base import unless_taken

# What can be added, by its own name. All of them are known to Babel, which writes their dates, and those that
# the library behind mail/reading/language.py knows are found in the first mail.
NAMES = {
    "de": "Deutsch",
    "en": "English",
    "bs": "bosanski",
    "ca": "català",
    "cs": "čeština",
    "cy": "Cymraeg",
    "da": "dansk",
    "et": "eesti",
    "es": "español",
    "eu": "euskara",
    "fr": "français",
    "ga": "Gaeilge",
    "gl": "galego",
    "hr": "hrvatski",
    "id": "Indonesia",
    "is": "íslenska",
    "it": "italiano",
    "sw": "Kiswahili",
    "lv": "latviešu",
    "lb": "Lëtzebuergesch",
    "lt": "lietuvių",
    "hu": "magyar",
    "mt": "Malti",
    "ms": "Melayu",
    "nl": "Nederlands",
    "nb": "norsk bokmål",
    "nn": "norsk nynorsk",
    "uz": "o‘zbek",
    "pl": "polski",
    "pt": "português",
    "ro": "română",
    "rm": "rumantsch",
    "sq": "shqip",
    "sk": "slovenčina",
    "sl": "slovenščina",
    "fi": "suomi",
    "sv": "svenska",
    "vi": "Tiếng Việt",
    "tr": "Türkçe",
    "el": "Ελληνικά",
    "be": "беларуская",
    "bg": "български",
    "kk": "қазақ тілі",
    "mk": "македонски",
    "ru": "русский",
    "sr": "српски",
    "uk": "українська",
    "hy": "հայերեն",
    "ka": "ქართული",
    "he": "עברית",
    "ar": "العربية",
    "fa": "فارسی",
    "ur": "اردو",
    "hi": "हिन्दी",
    "bn": "বাংলা",
    "ta": "தமிழ்",
    "th": "ไทย",
    "ja": "日本語",
    "ko": "한국어",
    "zh": "中文",
}


def of_mail(notice: str, locale: str) -> str:
    """The language that a mail speaks to a requester of this language: their own where there are words in it."""
    if locale in LOCALES or (locale in further() and notice_texts.text_of(notice, locale) is not None):
        return locale
    return the_account().locale


def of_requester(contact: Contact, channel: Channel) -> str:
    """The language of a new ticket: the requester's, else what the channel says, else the company's."""
    return contact.locale or channel.locale or the_account().locale


@asked_once
def further() -> tuple[str, ...]:
    """The languages that were added."""
    found = set(db.session.scalars(select(RequesterLanguage.locale)))
    return tuple(code for code in NAMES if code in found)


def offered() -> dict[str, str]:
    """Code and name of every language that a requester may have."""
    return {code: NAMES[code] for code in (*LOCALES, *further())}


def addable() -> dict[str, str]:
    return {code: name for code, name in NAMES.items() if code not in offered()}


def add(locale: str) -> None:
    """Raises KeyError for a language that nobody can add, or that somebody just added. Commits."""
    if locale not in addable():
        raise KeyError(locale)
    db.session.add(RequesterLanguage(locale=locale))
    with unless_taken(KeyError(locale)):
        db.session.commit()


def texts(locale: str) -> int:
    """How many notices have words in it."""
    query = select(func.count()).select_from(NoticeText).where(NoticeText.locale == locale)
    return db.session.scalar(query) or 0


def remove(locale: str) -> None:
    """With its texts. Channels get the company's language again, and so do mails: a requester's language stays
    noted, since they still speak it, but there are no words in it. Commits."""
    row = db.session.get(RequesterLanguage, locale)
    if row is not None:
        db.session.delete(row)
        notice_texts.forget(locale)
        db.session.execute(update(Channel).where(Channel.locale == locale).values(locale=""))
    db.session.commit()
