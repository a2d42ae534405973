"""create_app(): the only file that knows everybody."""

from __future__ import annotations

import logging

from flask import Flask
from flask_migrate import Migrate
from sqlalchemy.engine import make_url
from werkzeug.middleware.proxy_fix import ProxyFix

import cli
from blueprints import registration
from config import Settings, from_environment
from desk import data_folder, keys
from desk.office import Office
from desk.sending import mail_rendering
from mail import safe_reading
from models.base import db, prepare_engine, use_cipher
from models.blobs import BlobStore

migrate = Migrate()


def create_app(settings: Settings | None = None) -> Flask:
    """Build the app. Starts nothing: jobs and the receiver belong to `serve` and `worker`.

    Raises SettingsError with one clear sentence when the data folder or a setting cannot be used.
    """
    settings = settings or from_environment()
    data_folder.prepare(settings)
    secrets = keys.load_keys(settings.data, settings.encryption_keys)
    use_cipher(keys.cipher(secrets))

    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=settings.secret_key or keys.derive(secrets, "session"),
        SQLALCHEMY_DATABASE_URI=make_url(settings.database_url),
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(settings),
        TESTING=settings.testing,
        SESSION_COOKIE_NAME="poststelle",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https://"),
        REMEMBER_COOKIE_HTTPONLY=True,
        REMEMBER_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_SECURE=settings.base_url.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,  # a form stays good as long as its session; drafts live long
        # By https Flask-WTF asks for a Referer as well, and our pages tell browsers to send none (security.py).
        WTF_CSRF_SSL_STRICT=False,
    )
    safe_reading.fail_point = settings.fail_point if settings.fail_point in safe_reading.FAIL_POINTS else ""
    app.extensions["poststelle"] = Office(settings=settings, blobs=BlobStore(settings.blobs))
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    migrate.init_app(app, db, render_as_batch=True)
    app.jinja_env.filters.update(mail_rendering.FILTERS)
    registration.init_app(app)
    count = settings.trusted_proxies  # they say who asks, and whether by TLS; never where we are
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]
    cli.init_app(app)
    _quiet_logs()
    return app


def _engine_options(settings: Settings) -> dict[str, object]:
    if settings.is_sqlite:
        # No limit but the number of threads: whoever waits for the write lock holds a connection meanwhile,
        # and a page that only reads must not wait behind them for one. Five are kept open, the others are closed.
        return {
            "connect_args": {"timeout": settings.busy_seconds, "check_same_thread": False},
            "pool_size": 5,
            "max_overflow": -1,
            "hide_parameters": True,  # what could not be written may be a password, and its error is logged
        }
    # A connection that the server closed meanwhile is noticed before it is used.
    return {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 20, "hide_parameters": True}


def _quiet_logs() -> None:
    # aiosmtpd logs a traceback for every scanner that breaks off a TLS handshake.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
