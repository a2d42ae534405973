"""Every view, and what all views share, is registered here."""

from __future__ import annotations

from flask import Flask
from flask_wtf import CSRFProtect

from blueprints import health, help
from blueprints.agents import agents, company_settings, groups, profile, sessions, setup
from blueprints.channels import channels, deliverability, oauth
from blueprints.labels import in_templates
from blueprints.mailroom import blocked_senders, ledger, outbox_page, quarantine
from blueprints.notices import bell, mail_designs, notifications, requester_languages
from blueprints.page import (
    access,
    assets,
    bodies,
    errors,
    limits,
    locale,
    moved,
    numbers,
    our_address,
    pieces,
    rail,
    security,
    security_txt,
)
from blueprints.tickets import attachments, drafts, merging, replies, tickets

csrf = CSRFProtect()


def init_app(app: Flask) -> None:
    """Register every view, and what all views share."""
    settings = app.extensions["poststelle"].settings
    our_address.init_app(app, settings.base_url)
    numbers.init_app(app)
    bodies.init_app(app)
    csrf.init_app(app)
    locale.init_app(app)
    security.init_app(app)
    assets.init_app(app, settings.assets)
    access.init_app(app)
    limits.init_app(app)
    in_templates.init_app(app)
    rail.init_app(app)
    pieces.init_app(app)
    errors.init_app(app)
    for blueprint in (
        agents.blueprint,
        attachments.blueprint,
        bell.blueprint,
        blocked_senders.blueprint,
        channels.blueprint,
        company_settings.blueprint,
        deliverability.blueprint,
        drafts.blueprint,
        groups.blueprint,
        mail_designs.blueprint,
        health.blueprint,
        help.blueprint,
        ledger.blueprint,
        merging.blueprint,
        moved.blueprint,
        notifications.blueprint,
        oauth.blueprint,
        outbox_page.blueprint,
        profile.blueprint,
        quarantine.blueprint,
        replies.blueprint,
        requester_languages.blueprint,
        security_txt.blueprint,
        sessions.blueprint,
        setup.blueprint,
        tickets.blueprint,
    ):
        app.register_blueprint(blueprint)
