"""The rules of the house. Each test names what goes wrong where its rule is broken."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.metadata import packages_distributions
from pathlib import Path

import jinja2
import jinja2.nodes
import pytest
from lucide.jinja import lucide

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("blueprints", "cli", "desk", "models", "mail", "wire", "jobs")
MODULES = sorted([*ROOT.glob("*.py"), *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))])
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))
MAIL_TEMPLATES = ROOT / "templates" / "mail"
SCREENS = [path for path in TEMPLATES if path.suffix == ".html" and MAIL_TEMPLATES not in path.parents]
SCRIPTS = sorted(path for path in (ROOT / "static").rglob("*.js") if "vendor" not in path.parts)
STYLES = sorted(path for path in (ROOT / "static").rglob("*.css") if "vendor" not in path.parts)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def found(pattern: str, paths: list[Path], *, without_comments: bool = True) -> list[str]:
    """Every line that matches, as “file:line: text”."""
    hits = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".html", ".txt") and without_comments:
            text = re.sub(r"\{#.*?#\}", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                hits.append(f"{name(path)}:{number}: {line.strip()}")
    return hits


# --- arrows ---


def test_arrows_point_down():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


VIEWS = [path for path in MODULES if path.relative_to(ROOT).parts[0] == "blueprints"]


def test_the_rules_find_what_they_are_about():
    assert len(VIEWS) > 50 and len(MODULES) > 250 and len(SCREENS) > 100 and len(STYLES) > 3


@pytest.mark.parametrize("path", VIEWS, ids=name)
def test_views_leave_the_database_to_the_desk(path):
    """A view that asks, commits or rolls back by itself takes part in a transaction that only the desk knows."""
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    of_the_database = re.compile(r"models\.db$|models\.base\.|(flask_)?sqlalchemy\.(?!exc\.)")
    assert {what for what in imported if of_the_database.match(what)} == set()
    assert found(r"\bdb\.session\b|^\s*import (models|sqlalchemy|flask_sqlalchemy)\b", [path]) == []


def test_only_config_reads_the_environment():
    others = [path for path in MODULES if name(path) != "config.py"]
    assert found(r"\bos\.(environ|getenv|putenv)\b|from os import .*(environ|getenv)", others) == []


def test_only_the_smtp_transport_knows_flask_mail():
    others = [path for path in MODULES if name(path) != "wire/smtp.py"]
    assert found(r"^\s*(import|from) flask_mail\b", others) == []


def test_only_the_cleaner_the_asset_tags_and_pieces_make_markup():
    """`Markup` switches escaping off: one careless use is a script from a stranger on our page.

    Pieces are our own templates, and what they show was escaped as they were drawn.
    """
    allowed = {"mail/showing/clean.py", "blueprints/page/assets.py", "blueprints/page/pieces.py"}
    assert found(r"\bMarkup\b", [path for path in MODULES if name(path) not in allowed]) == []


def test_templates_never_switch_escaping_off():
    assert found(r"\|\s*safe\b|autoescape\s+false", TEMPLATES) == []


# What no module imports, and why it is there all the same.
ONLY_INSTALLED = {
    "psycopg": "SQLAlchemy loads it for DATABASE_URL",
    "tzdata": "zoneinfo reads it where the system has no zones",
    "python-dotenv": "Flask's command line reads .env with it",
}


def test_every_requirement_is_used():
    """What nobody imports is still downloaded, installed, and a way in for whoever takes over its name."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    names = {found[0].lower() for line in lines if (found := re.match(r"[\w.-]+", line))}
    imported: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    packages = packages_distributions()
    used = {name.lower() for module in imported for name in packages.get(module, ())}
    assert names - used == set(ONLY_INSTALLED), "in requirements.in, and imported by nothing"


# The only place that writes what became of a mail, with the names by which others know it, and the attributes.
STATES = {
    "models/outbound.py": ({"OutboundMail", "OutboundRecipient", "MailState", "RecipientState"}, {"state"}),
    "models/inbound.py": ({"InboundMail", "InboundState", "Outcome"}, {"state", "outcome"}),
}


def writes_of_state(source: str, names: set[str], attributes: set[str]) -> list[str]:
    """Where a module that knows such mails writes what became of one past its table of moves, as lines."""
    tree = ast.parse(source)
    if not names & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
        return []
    return [ast.unparse(node) for node in ast.walk(tree) if _writes(node, names, attributes)]


def _writes(node: ast.AST, names: set[str], attributes: set[str]) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [part for target in targets for part in ast.walk(target)]
        return any(
            isinstance(part, ast.Attribute) and part.attr in attributes and isinstance(part.ctx, ast.Store)
            for part in parts
        )
    if isinstance(node, ast.Call):
        function = ast.unparse(node.func)
        if function not in names | {"setattr", "insert_now"} and not function.endswith(".values"):
            return False
        words = {keyword.arg for keyword in node.keywords} | {
            part.value
            for argument in node.args
            for part in ast.walk(argument)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        }
        return bool(words & attributes)
    if isinstance(node, ast.Dict):
        given = [
            ast.unparse(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value in attributes
        ]  # an export says it, and writes nothing
        return any(any(one in text for one in names) and not text.startswith("str(") for text in given)
    return False


@pytest.mark.parametrize("table", STATES)
@pytest.mark.parametrize(
    "line",
    [
        "mail.state = MailState.DONE",
        "row.state = InboundState.FILED",
        "mail.state, mail.reason = MailState.FAILED, 'x'",
        "mail.state = after",
        "setattr(mail, 'state', after)",
        "update(Mail).where(Mail.id == 1).values(state=after)",
        "update(Mail).values({'state': after})",
        "{'state': MailState.DONE or InboundState.FILED}",
        "Mail(address='x', state=after)",
    ],
)
def test_a_state_that_is_written_is_found(table, line):
    names, attributes = STATES[table]
    known = min(names)
    assert writes_of_state(f"{known}\n{line.replace('Mail(a', known + '(a')}", names, attributes) != []


@pytest.mark.parametrize("table", STATES)
@pytest.mark.parametrize("line", ["mail.move(MailState.DONE)", "state = mail.state", "choose(state=after)"])
def test_what_writes_no_state_of_a_mail_is_let_be(table, line):
    names, attributes = STATES[table]
    assert writes_of_state(f"{min(names)}\n{line}", names, attributes) == []


@pytest.mark.parametrize("table", STATES)
@pytest.mark.parametrize("path", MODULES, ids=name)
def test_what_became_of_a_mail_is_written_in_one_place(path, table):
    """A move past the table may send a mail twice, or say of one that it is filed which no ticket has."""
    if name(path) not in STATES:
        assert writes_of_state(path.read_text(encoding="utf-8"), *STATES[table]) == []


def test_the_image_has_every_room():
    """A folder that the image leaves out is missed when it starts, and nowhere before."""
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    folders = {path.parent.relative_to(ROOT).parts[0] for path in MODULES if path.parent != ROOT}
    assert {f"!{folder}" for folder in folders} <= set(kept)
    assert folders == set(PACKAGES)


# --- sizes and names ---


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, "split it by story"


def test_a_room_can_be_surveyed():
    """A folder with more modules than this has become a drawer: cut it by story. Of migrations there is one for each
    change, for ever."""
    count = Counter(
        path.parent.relative_to(ROOT)
        for path in ROOT.rglob("*.py")
        if not {".venv", ".cache", "node_modules", "data", "migrations"} & set(path.relative_to(ROOT).parts)
    )
    crowded = {
        folder.as_posix(): number
        for folder, number in count.items()
        if number > (16 if folder.parts[:1] in (("desk",), ("mail",)) else 26)
    }
    assert crowded == {}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_function_fits_on_a_screen(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {key: length for key, length in lengths.items() if length > 70} == {}


def test_names_say_what_a_thing_does():
    vague = re.compile(r"(manager|helper|util|utils|common|misc|stuff)s?$")
    assert [name(path) for path in MODULES if vague.search(path.stem)] == []


def test_nothing_is_left_for_later():
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert found(r"\b(TODO|FIXME|XXX)\b", [path for path in MODULES + tests if path != Path(__file__)]) == []
    assert found(r"mark\.(skip|skipif|xfail)\b", [path for path in tests if path != Path(__file__)]) == []


@pytest.mark.parametrize("path", TEMPLATES + STYLES, ids=name)
def test_no_line_of_a_screen_runs_out_of_the_window(path):
    """A break inside `{{ }}`, `{% %}` or a tag changes nothing that is seen, nor in a mail's text."""
    assert found(r".{161}", [path], without_comments=False) == []


def test_our_own_files_for_the_browser_stay_small():
    # As they are written; compressed they are a quarter of it, and a token's long name costs next to nothing.
    assert sum(path.stat().st_size for path in STYLES) <= 44 * 1024
    assert sum(path.stat().st_size for path in SCRIPTS) <= 20 * 1024


# --- screens: the policy of the browser, htmx 4, pages without JavaScript ---


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"<[^>]*\sstyle\s*=|<style\b", "the policy blocks inline styles"),
        (r"<script\b(?![^>]*\bsrc\s*=)", "the policy blocks inline scripts"),
        (r"<[^>]*\son[a-z]+\s*=\s*[\"']", "the policy blocks inline handlers"),
        (r"javascript:", "the policy blocks script addresses"),
    ],
)
def test_screens_keep_to_the_content_security_policy(pattern, why):
    assert found(pattern, SCREENS) == [], why


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"\bhx-on\b", "it needs eval, which the policy forbids"),
        (r"\bjs:", "it needs eval, which the policy forbids"),
        (r"\bhx-trigger=\"[^\"]*\[", "a trigger filter needs eval, which the policy forbids"),
        (r"\bhx-ext\b", "htmx 4 loads extensions by a script tag"),
        (r"\bhx-disabled-elt\b", "htmx 4 calls it hx-disable"),
        (r"\bhtmx:[a-z]+[A-Z]", "htmx 4 writes events with colons: htmx:after:swap"),
        (r"\bhtmx:xhr:", "htmx 4 uses fetch"),
        (r"\bhx-headers\s*=", "without :inherited the CSRF token is not sent from below"),
        (r"\bhx-(delete|put|patch)\b", "they do nothing without JavaScript; post to a noun"),
        (r"HX-Trigger-Name", "htmx 4 does not send it"),
    ],
)
def test_nobody_writes_htmx_2(pattern, why):
    assert found(pattern, TEMPLATES + SCRIPTS) == [], why


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (r"(?<![\w-])#[0-9a-fA-F]{3,8}\b|\b(rgba?|hsla?|hwb|(ok)?lab|(ok)?lch|light-dark)\(", "a colour"),
        (
            r":[^;{}]*(?<![\w-])(white|black|gr[ae]y|silver|red|green|blue|yellow|orange)(?![\w-])",
            "a colour by name",
        ),
        (r"\bfont(-size)?:[^;}/]*\d(px|r?em|pt)\b", "a type size"),
    ],
)
def test_colours_and_type_sizes_stand_among_the_tokens_only(pattern, what):
    """Else a colour is forgotten in the dark scheme. `mail.css` is for a document of its own without tokens."""
    others = [path for path in STYLES if path.name not in ("tokens.css", "mail.css")]
    assert found(pattern, others) == [], what


class Outline(HTMLParser):
    """The elements of a template: all of them, and those at the top. Branches count as if all were taken."""

    VOID = {
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    }

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.all: list[tuple[str, dict[str, str]]] = []
        self.top: list[tuple[str, dict[str, str]]] = []
        self.loose_text = ""
        self.feed(plain_html(path.read_text(encoding="utf-8")))

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        element = (tag, {key: value or "" for key, value in attrs})
        self.all.append(element)
        if not self.open:
            self.top.append(element)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if not self.open:
            self.loose_text += data.strip()


def plain_html(source: str) -> str:
    """A template with its statements gone and its expressions as a harmless character."""
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.S)
    source = re.sub(r"\{%-?\s*macro\b.*?endmacro\s*-?%\}", "", source, flags=re.S)
    # A macro that wraps its caller is an element; our own take the id first.
    source = re.sub(r"\{%-?\s*call\b\s*\w+\(\"([\w-]*)\".*?%\}", r'<call id="\1">', source, flags=re.S)
    source = re.sub(r"\{%-?\s*endcall\s*-?%\}", "</call>", source)
    source = re.sub(r"\{%.*?%\}", "", source, flags=re.S)
    return re.sub(r"\{\{.*?\}\}", "0", source, flags=re.S)


SWAPS = [path for path in SCREENS if path.name.endswith(".swap.html")]
PIECES = [path for path in SCREENS if path.name.startswith("_") and path not in SWAPS]


def swapped(path: Path) -> bool:
    """A view or a swap names it; the others are only included where they stand."""
    template = path.relative_to(ROOT / "templates").as_posix()
    return bool(
        found(
            re.escape(f'"{template}"'), SWAPS + [module for module in MODULES if "blueprints" in module.parts]
        )
    )


@pytest.mark.parametrize("path", [path for path in PIECES if swapped(path)], ids=name)
def test_a_piece_is_one_element_with_its_name_as_id(path):
    outline = Outline(path)
    assert len(outline.top) == 1, (
        f"a swap replaces exactly one element, not {[tag for tag, _ in outline.top]}"
    )
    assert outline.loose_text == ""
    expected = path.stem.strip("_").replace("_", "-")
    assert outline.top[0][1].get("id", "").startswith(expected), f"its id begins with “{expected}”"


@pytest.mark.parametrize("path", SWAPS, ids=name)
def test_a_swap_says_where_each_part_goes(path):
    outline = Outline(path)
    assert {tag for tag, _ in outline.top} <= {"hx-partial", "title"}
    assert outline.loose_text == ""


def test_out_of_band_markup_stands_in_swaps_only():
    others = [path for path in SCREENS if path not in SWAPS]
    assert found(r"hx-swap-oob|<hx-partial\b", others) == []


@pytest.mark.parametrize("path", SCREENS, ids=name)
def test_forms_work_without_javascript(path):
    for tag, attributes in Outline(path).all:
        if tag == "form" and attributes.get("method") != "dialog":
            assert {"action", "method"} <= attributes.keys(), attributes
        if "hx-post" in attributes and tag in ("a", "button", "input", "select"):
            assert "formaction" in attributes, f"<{tag} {attributes}>"


@pytest.mark.parametrize("path", SCREENS, ids=name)
def test_every_template_compiles(path):
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.parse(path.read_text(encoding="utf-8"))


def signs_in(path: Path) -> Iterator[str]:
    """The names of icons that a template may draw: what stands for `name` or `sign` in the calls of our macros."""
    tree = jinja2.Environment(extensions=["jinja2.ext.i18n"]).parse(path.read_text(encoding="utf-8"))
    for call in tree.find_all(jinja2.nodes.Call):
        given = [argument.value for argument in call.kwargs if argument.key == "sign"]
        if isinstance(call.node, jinja2.nodes.Name) and call.node.name in SIGN_STANDS:
            at = SIGN_STANDS[call.node.name]
            given += call.args[at : at + 1]
        for value in given:
            yield from _constants(value)


def _constants(value: jinja2.nodes.Expr | None) -> Iterator[str]:
    if isinstance(value, jinja2.nodes.CondExpr):
        yield from _constants(value.expr1)
        yield from _constants(value.expr2)
    elif isinstance(value, jinja2.nodes.Const) and value.value:
        yield value.value


# Where the name of an icon stands among the arguments of a macro.
SIGN_STANDS = {"icon": 0, "empty": 0, "icon_button": 1, "icon_link": 1, "banner": 2, "post_item": 2}


@pytest.mark.parametrize("path", SCREENS, ids=name)
def test_every_icon_is_in_the_set(path):
    """A name that is not ends the whole page, and only where somebody sees that icon."""
    for sign in signs_in(path):
        assert lucide(sign), sign


def test_an_icon_is_found_behind_a_condition():
    assert "file-volume" in signs_in(ROOT / "templates" / "tickets" / "_file.html")


# --- languages: English in the code, German in the catalogue, nothing outside ---

GERMAN = re.compile(
    r"[äöüÄÖÜß»«]|\b(und|oder|nicht|bitte|keine?|Sie|Ihre?|wird|wurde|Benutzer|Passwort|Antwort|speichern)\b"
)
# German by nature: what mail programs write, sample and demo mails of customers, the spelling of letters,
# the names of languages in their own.
GERMAN_BY_NATURE = (
    "mail/",
    "wire/failures.py",
    "desk/notices/previews.py",
    "desk/tools/seeds.py",
    "desk/tools/scenes/",
    "desk/tickets/search.py",
    "desk/texts/requester_languages.py",
)
# What a reader sees in every language alike.
SAME_EVERYWHERE = {
    "Poststelle",
    "Deutsch",
    "English",
    "IMAP",
    "POP3",
    "SMTP",
    "SSL",
    "STARTTLS",
    "OAuth",
    "Enter",
    "Cc",
    "https",
    "Bcc",
}


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The string constants of a module without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", [p for p in MODULES if not name(p).startswith(GERMAN_BY_NATURE)], ids=name)
def test_no_german_in_the_code(path):
    german = [(line, text) for line, text in literals(path) if len(text) > 2 and GERMAN.search(text)]
    assert german == []


def test_no_german_in_templates_and_scripts():
    assert found(GERMAN.pattern, TEMPLATES + SCRIPTS) == []


class Words(HTMLParser):
    """What a reader sees or hears of a template, without what its expressions say."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text: list[str] = []
        source = re.sub(r"\{#.*?#\}|\{\{.*?\}\}", "", path.read_text(encoding="utf-8"), flags=re.S)
        # Macros and blocks of these names put attributes together.
        source = re.sub(r"\{%-?\s*macro (classes|attributes)\b.*?endmacro\s*-?%\}", "", source, flags=re.S)
        source = re.sub(r"\{%-?\s*block width\b.*?endblock\s*-?%\}", "", source, flags=re.S)
        self.feed(re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}|\{%.*?%\}", "", source, flags=re.S))

    def handle_starttag(self, tag, attrs):
        self.text += [
            value or "" for key, value in attrs if key in ("title", "alt", "placeholder", "aria-label")
        ]

    def handle_data(self, data):
        if self.cdata_elem is None:
            self.text.append(data)


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix in (".html", ".txt")], ids=name)
def test_every_visible_word_goes_through_the_translation(path):
    words = set(re.findall(r"[^\W\d_]{2,}", " ".join(Words(path).text)))
    assert words - SAME_EVERYWHERE == set()


# --- the documents keep up with the code ---


def test_every_setting_is_documented():
    names = {
        text for _, text in literals(ROOT / "config.py") if re.fullmatch(r"[A-Z][A-Z_]*_[A-Z_]*[A-Z]", text)
    }
    assert "POSTSTELLE_DATA" in names
    documents = "".join((ROOT / "docs" / file).read_text() for file in ("settings.md", "development.md"))
    assert sorted(key for key in names if f"`{key}`" not in documents) == []


def test_every_command_is_documented_and_takes_no_secret_as_argument(app):
    text = (ROOT / "docs" / "commands.md").read_text()
    for words, command in own_commands(app.cli):
        assert re.search(rf"`{words}\b", text), f"docs/commands.md says nothing about “{words}”"
        for parameter in command.params:
            assert not re.search(r"--(password|secret|token|key)$", " ".join(parameter.opts)), words


def own_commands(group, words=()):
    for key, command in sorted(group.commands.items()):
        if (callback := command.callback) and callback.__module__.split(".")[0] == "flask_migrate":
            continue
        if hasattr(command, "commands"):
            yield from own_commands(command, (*words, key))
        else:
            yield " ".join((*words, key)), command


def test_the_picture_of_the_rooms_is_that_of_the_imports():
    """`make rooms` draws it anew."""
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_rooms.py"))
    assert drawn["draw"](*drawn["rooms"]()) == drawn["PICTURE"].read_text(encoding="utf-8")


def test_persons_are_they():
    """Half of those who are meant are no »he«. (The cast of the tests is known by name.)"""
    texts = [path for path in MODULES + TEMPLATES if path.suffix in (".py", ".html", ".txt")]
    hits = found(
        r"\b(he|his|him|himself)\b(?!\")", [*texts, *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    )
    assert hits == []
