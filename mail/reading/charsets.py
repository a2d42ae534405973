"""Bytes to text whatever the mail claims, for bodies, headers and file names."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from charset_normalizer import from_bytes

DETECT_BYTES = 4096  # detection costs milliseconds per kilobyte and does not get better with more

# Names that mailers use and Python does not know, and sets that a wider one of the same family replaces:
# WHATWG Encoding, section 4.2; Korean and Chinese Outlook write the narrow name and mean the wide set.
_ALIASES = {
    "ansi": "cp1252",
    "ansi_x3.110_1983": "cp1252",
    "cp_850": "cp850",
    "gb2312": "gb18030",
    "gb_2312_80": "gb18030",
    "gbk": "gb18030",
    "iso_8859_1": "cp1252",
    "iso_8859_6_i": "iso8859-6",
    "iso_8859_8_e": "iso8859-8",
    "iso_8859_8_i": "iso8859-8",
    "iso_2022_jp": "iso2022_jp_ext",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "latin1": "cp1252",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "unicode_1_1_utf_7": "utf-7",
    "unicode_1_1_utf_8": "utf-8",
    "us_ascii": "ascii",
    "utf8mb4": "utf-8",
    "win_1252": "cp1252",
    "x_cp1252": "cp1252",
    "x_gbk": "gb18030",
    "x_mac_roman": "mac-roman",
    "x_sjis": "cp932",
    "x_unknown": "ascii",
}
# Text to text or worse: not character sets, some of them quadratic.
_FORBIDDEN = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
# One byte is one letter, so they never fail: a mail that names one of them but reads as UTF-8 is UTF-8.
_NEVER_FAIL = {"ascii", "cp1252", "iso8859-1", "iso8859-15"}
_CANDIDATES = [
    "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256",
    "cp932", "euc_jp", "cp949", "gb18030", "big5", "cp874", "cp437",
]  # fmt: skip
_CONTROLS = {code: None for code in range(32) if code not in (9, 10, 13)} | {127: None}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What Western European text has above ASCII in cp1252: quotes, dashes, the euro and the letters.
_WESTERN = re.compile(rb"[\x80\x82\x84\x85\x91-\x97\xa0\xa7\xab\xae\xb0\xb4\xbb\xc0-\xff]")
_HIGH = re.compile(rb"[\x80-\xff]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]{3}")
# Letters of German, French, Spanish and the Nordic languages: in short words they tell more than statistics.
_WESTERN_LETTERS = re.compile(
    rb"[\xc4\xc5\xc6\xc9\xd6\xd8\xdc\xdf-\xe2\xe4-\xea\xed\xf1\xf3\xf4\xf6\xf8\xfa\xfc]"
)
_JIS_208 = re.compile(rb"\x1b\$[@B]")
_JIS_STRETCH = re.compile(rb"\x1b\$[@B][^\x1b]*|(?:\x1b(?!\$[@B])|[^\x1b])+")
_ISO_2022 = re.compile(rb"\x1b(?:\$[@B)]|\([BJ])")


def decode(data: bytes, declared: str = "") -> str:
    """Text of `data`: the declared charset, else UTF-8, else detected, else cp1252 with replacement.

    Never raises. The result has no NUL, no other control characters but tab and line ends,
    and no lone surrogates.
    """
    return scrub(_decode(data, codec_name(declared)).removeprefix("\ufeff"))


def scrub(text: str) -> str:
    """Without control characters and lone surrogates, which no database and no browser takes."""
    if text.isascii():
        return text.translate(_CONTROLS) if _CONTROL.search(text) else text
    text = text.encode("utf-8", "ignore").decode("utf-8")
    return text.translate(_CONTROLS) if _CONTROL.search(text) else text


@lru_cache(maxsize=256)
def codec_name(declared: str) -> str:
    """Python's name of a declared charset, or an empty string when it is none that is safe to use."""
    key = declared.partition("*")[0].strip(" \t\"'<>").lower()[:40]  # RFC 2231 allows `utf-8*de`
    if not key or not key.isascii():
        return ""
    key = re.sub(r"[^a-z0-9.]+", "_", key)
    try:
        found = codecs.lookup(_ALIASES.get(key, key))
    except (LookupError, ValueError):
        return ""
    if found.name.replace("-", "_") in _FORBIDDEN or not found._is_text_encoding:
        return ""
    return _ALIASES.get(re.sub(r"[^a-z0-9.]+", "_", found.name), found.name)


def may_be_told(codec: str) -> bool:
    """Whether bytes that are in another charset may fail in this one, or are rarely readable words in it."""
    return codec not in _NEVER_FAIL and not codec.startswith("utf-")


def _decode(data: bytes, codec: str) -> str:
    if data.isascii() and b"\x1b" not in data and codec in ("", "ascii", "utf-8", "cp1252"):
        return data.decode("ascii")
    if codec == "cp1252" or codec in _NEVER_FAIL or not codec:
        try:
            return data.decode("utf-8-sig") if not _ISO_2022.search(data) else _japanese(data)
        except (UnicodeError, ValueError):
            pass
    if codec and codec != "ascii":
        try:
            return _japanese(data) if codec == "iso2022_jp_ext" else data.decode(codec)
        except (UnicodeError, ValueError):
            pass
        if not _HIGH.search(data) or codec.startswith("utf-"):  # damaged in places, the charset is right
            return _mended(data, codec)
    return _guess(data)


def _japanese(data: bytes) -> str:
    """ISO-2022-JP with the rows that NEC and IBM added (CP50220), which Python knows in Shift JIS only (cp932)."""
    try:
        return data.decode("iso2022_jp_ext")
    except UnicodeDecodeError:
        if not _JIS_208.search(data):
            raise
    words = ""
    for stretch in _JIS_STRETCH.findall(data):
        if escape := _JIS_208.match(stretch):
            words += _shifted(stretch[escape.end() :]).decode("cp932")
        else:
            words += stretch.decode("iso2022_jp_ext")
    return words


def _shifted(pairs: bytes) -> bytes:
    """Rows and cells of JIS X 0208 (0x21 to 0x7E each) in Shift JIS; line ends stay."""
    out = bytearray()
    position = 0
    while position < len(pairs):
        row, cell = pairs[position], pairs[position + 1] if position + 1 < len(pairs) else 0
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            out.append(row)
            position += 1
            continue
        lead = ((row + 1) >> 1) + (0x70 if row <= 0x5E else 0xB0)
        trail = cell + (0x7E if row % 2 == 0 else 0x1F + (cell >= 0x60))
        out += bytes((lead, trail))
        position += 2
    return bytes(out)


def _mended(data: bytes, codec: str) -> str:
    """A few broken bytes do not make another charset; many do."""
    text = data.decode(codec, "replace")
    return text if text.count("\ufffd") * 10 <= len(text) else _guess(data)


def _guess(data: bytes) -> str:
    for codec in ("utf-8", _detected(data)):
        try:
            return data.decode(codec)
        except (UnicodeError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _detected(data: bytes) -> str:
    """cp1252 where the bytes look Western (detectors are poor at short German text), else detected."""
    sample = data[:DETECT_BYTES]
    high = len(_HIGH.findall(sample))
    if high * 5 <= len(sample) and len(_WESTERN.findall(sample)) == high and not _HIGH_RUN.search(sample):
        return "cp1252"
    if (
        high * 2 <= len(sample)
        and len(_WESTERN_LETTERS.findall(sample)) == high
        and not _HIGH_RUN.search(sample)
    ):
        return "cp1252"
    try:
        best = from_bytes(sample, cp_isolation=_CANDIDATES, steps=4, chunk_size=256).best()
    except Exception:  # a detector over hostile bytes; the mail must be read anyhow
        return "cp1252"
    return best.encoding if best is not None else "cp1252"
