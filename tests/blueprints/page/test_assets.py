import json

import pytest
from flask import Flask

from blueprints.page import assets
from cli.assets import AssetError, sync
from config import SettingsError

SHA384_OF_HELLO = "WeF0h3dEjGnea4ANejO7+5/xtGPkQ1TDVTvNucZm+pASWjx5+QOXvfX2oT3oKGhP"  # printf hello | openssl dgst -sha384 -binary | base64 -w0


CONTENTS = {"thing": b"hello", "thing-css": b"hello"}


def table(tmp_path, sha384=None):
    """Two assets of one package."""
    sha384 = sha384 or SHA384_OF_HELLO
    text = 'cdn = "https://cdn.test/npm/"\n'
    for name, file in (("thing", "thing.js"), ("thing-css", "thing.css")):
        text += f'[files.{name}]\npackage="thing"\nversion="1.2.3"\nfile="{file}"\nsha384="{sha384}"\n'
    (tmp_path / "assets.toml").write_text(text)
    return assets.load(tmp_path / "assets.toml")


def tags(files, static, mode):
    app = Flask("t", static_folder=str(static))
    chosen = assets.Assets(files, static, mode)
    with app.test_request_context():
        return [str(chosen.tag(name)) for name in files], chosen


CDN = [
    f'<script src="https://cdn.test/npm/thing@1.2.3/thing.js" integrity="sha384-{SHA384_OF_HELLO}"'
    ' crossorigin="anonymous" defer></script>',
    f'<link rel="stylesheet" href="https://cdn.test/npm/thing@1.2.3/thing.css"'
    f' integrity="sha384-{SHA384_OF_HELLO}" crossorigin="anonymous">',
]
LOCAL = [
    '<script src="/static/vendor/thing-1.2.3.js" defer></script>',
    '<link rel="stylesheet" href="/static/vendor/thing-css-1.2.3.css">',
]


@pytest.mark.parametrize(
    ("mode", "copied", "expected", "foreign"),
    [
        ("auto", True, LOCAL, False),
        ("auto", False, CDN, True),
        ("cdn", True, CDN, True),
        ("local", True, LOCAL, False),
    ],
)
def test_the_tag_follows_the_setting_and_what_is_there(tmp_path, mode, copied, expected, foreign):
    files = table(tmp_path)
    static = tmp_path / "static"
    if copied:
        sync(files, CONTENTS, static)
    printed, chosen = tags(files, static, mode)
    assert printed == expected
    assert chosen.sources(scripts=True) == ("https://cdn.test/npm/thing@1.2.3/thing.js",) * foreign
    assert chosen.sources(scripts=False) == ("https://cdn.test/npm/thing@1.2.3/thing.css",) * foreign
    chosen.check()


def test_local_without_copies_is_one_clear_sentence(tmp_path):
    chosen = assets.Assets(table(tmp_path), tmp_path / "static", "local")
    with pytest.raises(SettingsError, match=r"static/ has no valid copy of vendor/thing-1\.2\.3\.js"):
        chosen.check()


def test_a_damaged_copy_counts_as_missing(tmp_path):
    files = table(tmp_path)
    copy = sync(files, CONTENTS, tmp_path / "static")[0]
    copy.write_text("something else")
    assert tags(files, tmp_path / "static", "auto")[0] == CDN


def test_a_file_with_another_hash_is_refused_and_nothing_is_copied(tmp_path):
    files = table(tmp_path, sha384="A" * 64)
    with pytest.raises(AssetError, match="SHA-384 differs"):
        sync(files, CONTENTS, tmp_path / "static")
    assert not (tmp_path / "static").exists()


def test_copies_of_older_versions_go(tmp_path):
    files = table(tmp_path)
    old = tmp_path / "static/vendor/thing-1.0.0.js"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    sync(files, CONTENTS, tmp_path / "static")
    assert sorted(path.name for path in old.parent.iterdir()) == ["thing-1.2.3.js", "thing-css-1.2.3.css"]


def test_the_versions_are_those_of_the_lock_file():
    package = json.loads((assets.ROOT / "package.json").read_text())
    lock = json.loads((assets.ROOT / "package-lock.json").read_text())
    versions = {asset.package: asset.version for asset in assets.load().values()}
    assert versions == package["dependencies"]
    assert versions == {name: lock["packages"][f"node_modules/{name}"]["version"] for name in versions}


def test_the_lock_names_no_registry():
    text = (assets.ROOT / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "://" not in text
