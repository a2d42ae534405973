"""Packages come from a registry that serves on loopback, as npm's do: archives, redirects, tokens."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask

from blueprints.page.assets import ROOT
from cli import assets, npm
from tests.servers.ports import free_port

pytestmark = pytest.mark.one_database

HELLO = b"hello"


def archive(files: dict[str, bytes]) -> bytes:
    """A package as npm makes it; names stand as given."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


GOOD = archive({"package/dist/thing.js": HELLO, "package/README": b"unasked"})


class Shelf:
    """What the registry has: by path an archive, or the address to which it redirects."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.has: dict[str, bytes | str] = {"/thing/-/thing-1.2.3.tgz": GOOD}
        self.asked: list[tuple[str, str | None]] = []

    def put(self, package: bytes | str) -> None:
        self.has["/thing/-/thing-1.2.3.tgz"] = package


@contextmanager
def serving() -> Iterator[Shelf]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append((self.path, self.headers["Authorization"]))
            found = shelf.has.get(self.path)
            self.send_response(404 if found is None else 302 if isinstance(found, str) else 200)
            if isinstance(found, str):
                self.send_header("Location", found)
            self.end_headers()
            if isinstance(found, bytes):
                self.wfile.write(found)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shelf = Shelf(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield shelf
        server.shutdown()
        thread.join()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("no_proxy", "*")  # this machine may have one
    with serving() as made:
        yield made


def integrity(content: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


def fetched(shelf: Shelf, *names: str, known: bytes = GOOD) -> dict[str, bytes]:
    package = npm.Package("thing", "1.2.3", integrity(known))
    return npm.files(package, names or ["dist/thing.js"], npm.Registry(shelf.url))


def test_the_files_asked_for_and_no_others(shelf):
    assert fetched(shelf) == {"dist/thing.js": HELLO}
    assert shelf.asked == [("/thing/-/thing-1.2.3.tgz", None)]


def test_another_archive_is_refused_before_anything_looks_into_it(shelf):
    shelf.put(b"not even an archive")
    with pytest.raises(npm.PackageError, match=r"^thing 1\.2\.3 from 127.* is not the package that the lock"):
        fetched(shelf)


def test_a_weaker_hash_does_not_count(shelf):
    weak = f"sha1-{base64.b64encode(hashlib.sha1(GOOD).digest()).decode()}"
    with pytest.raises(npm.PackageError, match="lock file knows"):
        npm.files(npm.Package("thing", "1.2.3", weak), ["dist/thing.js"], npm.Registry(shelf.url))


def test_a_file_that_the_package_lacks_is_named(shelf):
    with pytest.raises(npm.PackageError, match=r"has no file dist/other\.js"):
        fetched(shelf, "dist/thing.js", "dist/other.js")


@pytest.mark.parametrize("name", ["package/../../thing.js", "/etc/thing.js", "../package/dist/thing.js"])
def test_a_path_that_leads_out_is_refused(shelf, name):
    package = archive({"package/dist/thing.js": HELLO, name: b"evil"})
    shelf.put(package)
    with pytest.raises(npm.PackageError, match="a path that leads out of it"):
        fetched(shelf, known=package)


def test_a_link_is_no_file(shelf):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        link = tarfile.TarInfo("package/dist/thing.js")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    shelf.put(made.getvalue())
    with pytest.raises(npm.PackageError, match="has no file"):
        fetched(shelf, known=made.getvalue())


@pytest.mark.parametrize("package", [GOOD[: len(GOOD) // 2], b"plain text"], ids=["cut", "text"])
def test_what_is_no_whole_archive_is_refused(shelf, package):
    shelf.put(package)
    with pytest.raises(npm.PackageError, match="no archive that can be read"):
        fetched(shelf, known=package)


@pytest.mark.parametrize(
    ("limit", "said"), [("MOST_FETCHED", "is larger"), ("MOST_UNPACKED", "unpacked it is")]
)
def test_there_are_limits(shelf, monkeypatch, limit, said):
    package = archive({"package/dist/thing.js": HELLO, "package/zeros": bytes(3_000_000)})
    shelf.put(package)
    monkeypatch.setattr(npm, limit, 1000)
    with pytest.raises(npm.PackageError, match=said):
        fetched(shelf, known=package)


def test_a_redirect_to_http_is_not_followed(shelf):
    with serving() as other:
        shelf.put(f"{other.url}/thing/-/thing-1.2.3.tgz?signature=secret")
        with pytest.raises(npm.PackageError, match="without https") as refused:
            fetched(shelf)
        assert other.asked == []
    assert "secret" not in str(refused.value)


def test_a_registry_without_the_package_or_without_a_server_is_one_sentence(shelf):
    shelf.has.clear()
    with pytest.raises(npm.PackageError, match=r"could not be fetched from 127\.0\.0\.1:\d+: Not Found\.$"):
        fetched(shelf)
    with pytest.raises(npm.PackageError, match=r"could not be fetched from 127\.0\.0\.1:\d+: .*refused"):
        npm.files(npm.Package("thing", "1.2.3", ""), ["x"], npm.Registry(f"http://127.0.0.1:{free_port()}"))


# --- which registry ---


def npmrc(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_npmrc_counts_most_and_the_environment_more(tmp_path):
    project = npmrc(tmp_path / "project", "; registry=https://comment.test\naudit=false\n")
    user = npmrc(tmp_path / "user", 'registry = "https://user.test/npm/"\n')
    system = npmrc(tmp_path / "system", "registry=https://system.test/\ncafile=/etc/our-ca.pem\n")
    files = [project, tmp_path / "missing", user, system]
    assert npm.configured(files) == npm.Registry("https://user.test/npm", "", "/etc/our-ca.pem")
    assert npm.configured(files, "https://environment.test/", "/ca.pem") == npm.Registry(
        "https://environment.test", "", "/ca.pem"
    )
    assert npm.configured([project]) == npm.Registry()


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("registry={url}/\n//{place}/:_authToken=${{TOKEN_OF_OURS}}\n", "Bearer t0ken"),
        ("registry={url}\n//{place}/:_auth=YWxpY2U6c2VjcmV0\n", "Basic YWxpY2U6c2VjcmV0"),
        ("registry=http://alice:secret@{place}\n", "Basic YWxpY2U6c2VjcmV0"),
        ("registry={url}\n//elsewhere.test/:_authToken=other\n", None),
    ],
)
def test_a_registry_gets_its_own_token_only(shelf, tmp_path, monkeypatch, text, sent):
    monkeypatch.setenv("TOKEN_OF_OURS", "t0ken")
    place = shelf.url.removeprefix("http://")
    registry = npm.configured([npmrc(tmp_path / ".npmrc", text.format(url=shelf.url, place=place))])
    package = npm.Package("thing", "1.2.3", integrity(GOOD))
    assert npm.files(package, ["dist/thing.js"], registry) == {"dist/thing.js": HELLO}
    assert shelf.asked == [("/thing/-/thing-1.2.3.tgz", sent)]
    assert "secret" not in repr(registry)


@pytest.mark.parametrize("url", ["file:///etc", "ftp://x.test/", "registry.test", "https://"])
def test_a_registry_is_a_web_address(url):
    with pytest.raises(npm.PackageError, match="no address"):
        npm.configured([], url)


def test_without_a_registry_packages_come_from_the_public_one():
    for name, path in (
        ("htmx.org", "/htmx.org/-/htmx.org-4.0.1.tgz"),
        ("@scope/x", "/@scope/x/-/x-4.0.1.tgz"),
    ):
        address = urlsplit(npm.Registry().address(npm.Package(name, "4.0.1", "")))
        assert (address.scheme, address.path) == ("https", path)
        assert address.hostname


# --- the command ---


def test_a_registry_with_other_packages_leaves_nothing(shelf, tmp_path):
    for name, version in json.loads((ROOT / "package.json").read_text())["dependencies"].items():
        shelf.has[f"/{name}/-/{name}-{version}.tgz"] = GOOD
    app = Flask("t", static_folder=str(tmp_path / "static"))
    app.cli.add_command(assets.assets_cli)
    environment = {"NPM_CONFIG_REGISTRY": shelf.url, "HOME": str(tmp_path)}
    done = app.test_cli_runner(env=environment).invoke(args=["assets", "sync"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: htmx.org ")
    assert "is not the package that the lock file knows." in done.output
    assert not (tmp_path / "static").exists()
