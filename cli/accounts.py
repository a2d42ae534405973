"""The company and its agents."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from cli.preconditions import agent_of, password_from_stdin, ready, require_account
from config import LOCALES
from desk.agents import accounts
from desk.channels import channels
from desk.notices import password_links
from desk.office import office

account_cli = AppGroup("account", help="The company.")
agent_cli = AppGroup("agent", help="People.")


@account_cli.command("create")
@click.option("--company", required=True)
@click.option("--name", required=True, help="Name of the administrator.")
@click.option("--email", required=True)
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@click.option("--locale", type=click.Choice(LOCALES), default="de", show_default=True)
@click.option("--mail-domain", default="poststelle.example", show_default=True)
@ready
def account_create(
    company: str, name: str, email: str, password_stdin: bool, locale: str, mail_domain: str
) -> None:
    """Create the account with its default address; closes the set-up."""
    zone = office().settings.timezone or "Europe/Vienna"
    accounts.create_account(company, mail_domain, locale, zone, name, email, password_from_stdin())
    click.echo(channels.default().address)


@agent_cli.command("create")
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option("--role", type=click.Choice(["agent", "admin"]), required=True)
@click.option("--password-stdin", is_flag=True, required=True)
@ready
def agent_create(name: str, email: str, role: str, password_stdin: bool) -> None:
    """Create an agent with a password."""
    require_account()
    agent = accounts.create_agent(name, email, role, password_from_stdin())
    click.echo(agent.email)


@agent_cli.command("link")
@click.argument("email")
@ready
def agent_link(email: str) -> None:
    """Print a new link by which an agent sets a password, once; it goes to the agent by mail as well."""
    token = password_links.renew_link(agent_of(email))
    if not password_links.go_by_mail():
        click.echo("No outgoing server is set up: no mail was sent, and the link is kept nowhere.", err=True)
    click.echo(password_links.address(token))


@agent_cli.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, required=True)
@ready
def agent_password(email: str, password_stdin: bool) -> None:
    """Set an agent's password; ends all of the agent's sessions."""
    accounts.set_password(agent_of(email), password_from_stdin())
    click.echo("The password was changed.")
