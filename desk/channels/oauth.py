"""Tokens instead of passwords: a sign-in at the provider, and an access token whenever a mailbox is opened.

A refresh token may be good once only: it is used under a lease, and what came for it is stored before anybody
uses it. What a provider takes no longer is never asked for again, until somebody connects anew.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from hmac import compare_digest
from typing import NoReturn

from sqlalchemy import delete, select, update

from desk import leases
from desk.channels.oauth_providers import endpoints
from desk.office import in_background, office
from desk.refusal import Refusal
from mail.providers import oauth
from models import Channel, OauthGrant, OauthProvider, OauthSignIn, db, now
from models.base import reading, rows_changed
from wire import Credentials, PermanentFailure, TemporaryFailure, TransportFailure, web
from wire.address import resolve

log = logging.getLogger(__name__)

PASSWORD = "password"  # noqa: S105 (the other way to open a mailbox)
AHEAD = timedelta(minutes=5)  # a token is exchanged so long before its end, at half of a shorter life
ANSWER_SECONDS = 10.0  # for a provider's answer
GOOD_FOR = timedelta(minutes=15)  # a sign-in at the provider
FORGOTTEN_AFTER = timedelta(days=1)  # sign-ins, and grants whose form was never saved

# What a token endpoint says (RFC 6749, 5.2; OpenID Connect): only a person can sign in again, …
_ENDED = ("invalid_grant", "interaction_required", "login_required", "consent_required")
# … or somebody has to mend our registration. All else passes by itself.
_OUR_FAULT = (
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_request",
    "invalid_scope",
)


class SignInRefused(Refusal):
    """`code`: unknown: the state is not this session's, was used, or took too long."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes now, and the state that belongs into its session. Without an address nobody has
    to sign in: the grant is there, or why not (as `finish` says)."""

    sign_in: OauthSignIn
    url: str = ""
    state: str = ""
    failure: str = ""


# --- connecting ---


def redirect_uri() -> str:
    """Where providers send people back to: to be entered there, letter by letter."""
    return f"{office().settings.public_url}/system/oauth/callback"


def begin(provider: OauthProvider, user: str, agent_id: int, channel: Channel | None, form: str) -> Begun:
    """A sign-in at the provider; one that asks nobody is asked here and now. Commits."""
    _forget_old()
    state, verifier = oauth.new_verifier(secrets.token_bytes), oauth.new_verifier(secrets.token_bytes)
    sign_in = OauthSignIn(
        state_digest=_digest(state),
        verifier=verifier,
        provider_id=provider.id,
        agent_id=agent_id,
        channel_id=channel.id if channel else None,
        user=user,
        form=form,
    )
    db.session.add(sign_in)
    db.session.commit()
    if provider.app_only:
        sign_in.state_digest = None
        return Begun(sign_in, failure=_tried(sign_in, oauth.app_form(endpoints(provider))))
    url = oauth.sign_in_url(endpoints(provider), provider.client_id, redirect_uri(), state, verifier, user)
    return Begun(sign_in, url, state)


def finish(state: str, session_state: str, agent_id: int, code: str, error: str) -> tuple[OauthSignIn, str]:
    """The provider sent somebody back. The sign-in, and why it failed: denied, no_refresh, a code of
    TransportFailure, or "".

    Raises SignInRefused("unknown") where it is not this session's, was used, or took too long. Commits.
    """
    sign_in = _taken(state, session_state, agent_id)
    if error or not code:
        return sign_in, "denied"
    return sign_in, _tried(sign_in, oauth.code_form(code, sign_in.verifier, redirect_uri()))


def under_way(sign_in_id: int, agent_id: int) -> OauthSignIn | None:
    """A sign-in of this agent, however it went."""
    found = db.session.get(OauthSignIn, sign_in_id)
    return found if found is not None and found.agent_id == agent_id else None


def grant_of(
    oauth_choice: str, grant_id: int | None, user: str, channel: Channel | None
) -> OauthGrant | None:
    """The grant that a form means, if it is for this provider and mailbox and belongs to no other channel."""
    grant = db.session.get(OauthGrant, grant_id) if grant_id else None
    grant = grant or (channel.grant if channel else None)
    if grant is None or str(grant.provider_id) != oauth_choice or grant.user != user:
        return None
    taken = db.session.scalar(select(Channel.id).where(Channel.grant_id == grant.id))
    return grant if taken is None or (channel is not None and taken == channel.id) else None


def may_use(grant_id: int, agent_id: int, channel: Channel | None) -> bool:
    """Whether an agent may name this grant in a form: it is the channel's, or the agent signed in for it."""
    grant = db.session.get(OauthGrant, grant_id)
    return grant is not None and (
        grant.agent_id == agent_id or (channel is not None and channel.grant_id == grant.id)
    )


def forget(grant_id: int | None) -> None:
    """Part of the caller's transaction."""
    if grant_id is not None:
        db.session.flush()  # the channel has let go of it
        db.session.execute(delete(OauthSignIn).where(OauthSignIn.grant_id == grant_id))
        db.session.execute(delete(OauthGrant).where(OauthGrant.id == grant_id))


# --- signing in to a mailbox ---


def credentials(user: str, grant: OauthGrant | None, host: str) -> Credentials:
    """The way in by tokens; they are shown to the provider's own mail servers alone."""
    if grant is None:
        return Credentials(user, token=_refusing("oauth_not_connected"))
    if not oauth.may_see(host, endpoints(grant.provider).hosts):
        return Credentials(user, token=_refusing("oauth_host", host))
    # In whichever thread the mail server is talked to, and apart from the caller's transaction.
    return Credentials(user, token=in_background(partial(access_token, grant.id)))


def access_token(grant_id: int, refused: str = "") -> str:
    """A token that is good for some minutes, and not the one that a mail server has just `refused`.

    Raises PermanentFailure oauth_reconnect, oauth_client_refused, oauth_not_connected; TemporaryFailure
    oauth_unreachable. Needs a session without a transaction of the caller's.
    """
    found = _usable(grant_id, refused)
    if found:
        return found
    try:
        with leases.held(f"oauth:{grant_id}", ANSWER_SECONDS + 5):
            return _usable(grant_id, refused) or _refresh(grant_id)
    except leases.LeaseHeld:
        raise TemporaryFailure("oauth_unreachable") from None


def ran_out(channel_id: int, since: datetime) -> bool:
    """Whether the token of a channel has expired since then: its server may have ended the conversation for it."""
    ends = db.session.scalar(
        select(OauthGrant.expires_at)
        .join(Channel, Channel.grant_id == OauthGrant.id)
        .where(Channel.id == channel_id)
    )
    db.session.rollback()
    return ends is not None and since <= ends <= now()


def _usable(grant_id: int, refused: str) -> str:
    """The stored token, or nothing if another is needed. No transaction stays open while the caller waits."""
    with reading():
        grant = db.session.get(OauthGrant, grant_id, populate_existing=True)
        if grant is None:
            raise PermanentFailure("oauth_not_connected")
        if grant.ended_at is not None:
            raise PermanentFailure("oauth_reconnect", grant.words)
        ahead = min(AHEAD, (grant.expires_at - grant.received_at) / 2)
        good = grant.access_token != refused and now() < grant.expires_at - ahead
        return grant.access_token if good else ""


def _refresh(grant_id: int) -> str:
    """Under the lease. The rotated token is stored at once: the old one may be good no more."""
    grant = db.session.get(OauthGrant, grant_id)
    assert grant is not None
    provider = grant.provider
    if not provider.app_only and not grant.refresh_token:
        raise PermanentFailure("oauth_reconnect")  # also where the key of the house was lost
    form = (
        oauth.app_form(endpoints(provider)) if provider.app_only else oauth.refresh_form(grant.refresh_token)
    )
    answer = _ask(provider, form)
    grant = db.session.get(OauthGrant, grant_id)
    if grant is None:  # the channel was deleted meanwhile
        raise PermanentFailure("oauth_not_connected")
    if isinstance(answer, oauth.Tokens):
        _store(grant, answer)
        db.session.commit()
        return answer.access
    if answer.code in _ENDED and not provider.app_only:
        grant.ended_at, grant.words = now(), answer.words
        grant.access_token = grant.refresh_token = ""
        db.session.commit()
    raise _failure(provider, answer)


def _tried(sign_in: OauthSignIn, form: dict[str, str]) -> str:
    """A code, or nothing but our own secret, for the first tokens; why there are none, or "". Commits."""
    provider = sign_in.provider
    try:
        answer = _ask(provider, form)
        if isinstance(answer, oauth.TokenRefusal):
            raise _failure(provider, answer)
    except TransportFailure as failure:
        log.warning("a sign-in at %s came to nothing: %s", provider.name, failure)
        return "denied" if failure.code == "oauth_reconnect" else failure.code
    if not answer.refresh and not provider.app_only:
        return "no_refresh"
    grant = OauthGrant(
        provider_id=provider.id, agent_id=sign_in.agent_id, user=sign_in.user, refresh_token="", words=""
    )
    _store(grant, answer)
    db.session.add(grant)
    db.session.flush()
    sign_in.grant_id = grant.id
    db.session.commit()
    return ""


def _store(grant: OauthGrant, tokens: oauth.Tokens) -> None:
    """By our own clock from now on: whether it is right does not matter, only that it goes on."""
    grant.access_token = tokens.access
    grant.refresh_token = tokens.refresh or grant.refresh_token
    grant.received_at = now()
    grant.expires_at = grant.received_at + timedelta(seconds=tokens.life)


def _ask(provider: OauthProvider, form: dict[str, str]) -> oauth.Tokens | oauth.TokenRefusal:
    """The token endpoint. No transaction is open while it thinks. Raises TemporaryFailure oauth_unreachable."""
    url = endpoints(provider).token_url
    form = form | {"client_id": provider.client_id, "client_secret": provider.client_secret}
    kept = [value for key, value in form.items() if value and key in _SECRET_FIELDS]
    allow_private = office().settings.allow_private_hosts
    db.session.commit()
    try:
        status, body = web.post(
            url, form, lambda host: resolve(host, 443, True), ANSWER_SECONDS, allow_private
        )
    except TransportFailure as failure:
        raise TemporaryFailure("oauth_unreachable", f"{failure.code} {failure.words}".strip()) from None
    answer = oauth.read_answer(status, body)
    if isinstance(answer, oauth.TokenRefusal):
        words = answer.words
        for value in kept:
            words = words.replace(value, "***")
        return oauth.TokenRefusal(answer.code, words)
    return answer


_SECRET_FIELDS = ("client_secret", "refresh_token", "code", "code_verifier")


def _failure(provider: OauthProvider, refusal: oauth.TokenRefusal) -> TransportFailure:
    if refusal.code in _ENDED and not provider.app_only:
        return PermanentFailure("oauth_reconnect", refusal.words)
    if refusal.code in _OUR_FAULT or refusal.code in _ENDED:
        return PermanentFailure("oauth_client_refused", refusal.words)
    return TemporaryFailure("oauth_unreachable", refusal.words)


def _taken(state: str, session_state: str, agent_id: int) -> OauthSignIn:
    """The sign-in of a state, which is good no more from now on."""
    if not state or not compare_digest(state.encode(), session_state.encode()):
        raise SignInRefused("unknown")
    digest = _digest(state)
    sign_in = db.session.scalar(select(OauthSignIn).where(OauthSignIn.state_digest == digest))
    if sign_in is None or sign_in.agent_id != agent_id or sign_in.created_at < now() - GOOD_FOR:
        raise SignInRefused("unknown")
    mine = update(OauthSignIn).where(OauthSignIn.id == sign_in.id, OauthSignIn.state_digest == digest)
    used = rows_changed(mine.values(state_digest=None))
    db.session.commit()
    if not used:  # somebody was quicker
        raise SignInRefused("unknown")
    return sign_in


def _forget_old() -> None:
    """Sign-ins of yesterday, and what came of them where no form was saved."""
    before = now() - FORGOTTEN_AFTER
    db.session.execute(delete(OauthSignIn).where(OauthSignIn.created_at < before))
    in_use = select(Channel.grant_id).where(Channel.grant_id.is_not(None))
    named = select(OauthSignIn.grant_id).where(OauthSignIn.grant_id.is_not(None))
    db.session.execute(
        delete(OauthGrant).where(
            OauthGrant.created_at < before, OauthGrant.id.not_in(in_use), OauthGrant.id.not_in(named)
        )
    )


def _refusing(code: str, words: str = "") -> Callable[[str], str]:
    def refuse(_refused: str) -> NoReturn:
        raise PermanentFailure(code, words)

    return refuse


def _digest(state: str) -> str:
    return sha256(state.encode()).hexdigest()
