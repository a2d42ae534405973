"""HTTP: read the request, call the desk, choose a template."""

from __future__ import annotations

from flask import Flask
from flask_wtf import CSRFProtect

from blueprints import (
    access,
    agents,
    assets,
    attachments,
    bell,
    blocked_senders,
    channels,
    deliverability,
    drafts,
    errors,
    frame,
    groups,
    headers,
    health,
    help,
    in_templates,
    languages,
    ledger,
    limits,
    looks,
    merging,
    notifications,
    numbers,
    oauth,
    outgoing,
    profile,
    quarantine,
    replies,
    requester_languages,
    sessions,
    setup,
    tickets,
)

csrf = CSRFProtect()


def init_app(app: Flask) -> None:
    """Register every view, and what all views share."""
    numbers.init_app(app)
    csrf.init_app(app)
    languages.init_app(app)
    headers.init_app(app)
    assets.init_app(app, app.extensions["poststelle"].settings.assets)
    access.init_app(app)
    limits.init_app(app)
    in_templates.init_app(app)
    frame.init_app(app)
    errors.init_app(app)
    for blueprint in (
        agents.blueprint,
        attachments.blueprint,
        bell.blueprint,
        blocked_senders.blueprint,
        channels.blueprint,
        deliverability.blueprint,
        drafts.blueprint,
        groups.blueprint,
        looks.blueprint,
        health.blueprint,
        help.blueprint,
        ledger.blueprint,
        merging.blueprint,
        notifications.blueprint,
        oauth.blueprint,
        outgoing.blueprint,
        profile.blueprint,
        quarantine.blueprint,
        replies.blueprint,
        requester_languages.blueprint,
        sessions.blueprint,
        setup.blueprint,
        tickets.blueprint,
    ):
        app.register_blueprint(blueprint)
