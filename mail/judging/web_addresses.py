"""Whether words hold the address of a web page: what a mail program would make a link of.

Names and subjects are a stranger's words. Where one holds such an address, no mail of ours carries it to somebody
else. To leave a harmless subject out costs little, so a doubtful word counts; but file names, abbreviations and
a blank that is missing after a full stop are no doubt.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = (
    253  # characters, as of the name of a server (RFC 1035, 2.3.4); nobody reads a longer one to its end
)

# The ends of names that people register: what follows the last dot. All countries, the common others.
_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc "
    "cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga "
    "gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp "
    "ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms "
    "mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro "
    "rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt "
    "tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw "
    "рф укр бел срб 中国 中國 香港 台灣 台湾 한국 ไทย"
)
_OTHERS = (
    "com net org info biz edu gov mil int arpa aero asia cat coop jobs mobi museum name pro tel travel xxx app dev "
    "page web site website online shop store shopping sale market deals gift cloud host hosting space tech digital "
    "media email mail zone center support help services agency company group team work works link click live life "
    "world network systems solutions blog news press chat social video photos pics xyz top club vip icu buzz cfd sbs "
    "rest bond cyou lol fun run win bid loan men date review trade party science stream download racing faith "
    "webcam bank finance money credit loans security today global international one art design studio berlin hamburg "
    "koeln cologne bayern saarland ruhr nrw wien tirol swiss gmbh zip mov quest monster hair skin beauty makeup "
    "church ninja guru expert cash codes wiki academy tips care pro mom wtf lat autos boats homes"
)
_ENDS = frozenset(f"{_COUNTRIES} {_OTHERS}".split())
# Words that begin a sentence, where the blank after the full stop before is missing: »Hallo.Es geht um …«.
_BEGINNINGS = "Am As At Be By Do Es Im In Is It Me My No So To Us"
_WORDS = frozenset(_BEGINNINGS.split())

_FILE_NAMES = (
    "pdf doc docx odt rtf txt csv xls xlsx ods ppt pptx odp jpg jpeg png gif webp tif tiff svg heic mp mpeg avi eml "
    "msg ics vcf xml json html htm gz tar rar exe log bak"
)
_FILES = frozenset(_FILE_NAMES.split())

_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_HOST = rf"(?:{_LABEL}\.)+(?P<end>[^\W\d_]{{2,}}|xn--[a-z0-9-]+)"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S", re.IGNORECASE)
_WWW = re.compile(r"(?<![\w@])www\.[^\W_]", re.IGNORECASE)
_NAME = re.compile(rf"(?<![\w@.-]){_HOST}(?!\w|[.-]\w|@)", re.IGNORECASE)
_WITH_PATH = re.compile(
    rf"(?<!\w)(?:{_HOST}|(?:\d{{1,3}}\.){{3}}\d{{1,3}})(?::\d+)?[/?#][\w?#%&=/-]", re.IGNORECASE
)
_DOTS = str.maketrans("。．｡", "...")  # browsers take them for the dot of a name (UTS 46)


def has_web_address(text: str) -> bool:
    """Whether a reader's program would show a link in it, whatever invisible characters stand between."""
    plain = "".join(c for c in text.translate(_DOTS) if unicodedata.category(c) != "Cf")
    words = unicodedata.normalize("NFKC", plain).split()
    return any(len(word) > LONGEST_WORD or _is_address(word) for word in words)


def _is_address(word: str) -> bool:
    if _SCHEME.search(word) or _WWW.search(word) or _has_path(word):
        return True
    return any(_is_registered(found["end"]) for found in _NAME.finditer(word))


def _is_registered(end: str) -> bool:
    return end not in _WORDS and (end.lower() in _ENDS or end.lower().startswith("xn--"))


def _has_path(word: str) -> bool:
    """What has a path is an address whatever its end; two files, »Rechnung.pdf/Foto.jpg«, and two days are none."""
    return any(
        not found["end"]
        or _is_registered(found["end"])
        or (found["end"].lower() not in _FILES and any(map(str.isalpha, found[0].partition(found["end"])[0])))
        for found in _WITH_PATH.finditer(word)
    )
