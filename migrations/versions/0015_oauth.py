"""OAuth 2: the providers that an install is registered with, what sign-ins gave us, and those under way.

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_provider",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("tenant", sa.String(80), nullable=False),
        sa.Column("app_only", sa.Boolean(), nullable=False),
        sa.Column("authorize_url", sa.String(500), nullable=False),
        sa.Column("token_url", sa.String(500), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("hosts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_provider")),
    )
    op.create_table(
        "oauth_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.Integer(), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=True),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("access_token", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["oauth_provider.id"], name=op.f("fk_oauth_grant_provider_id_oauth_provider")
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_oauth_grant_agent_id_agent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_grant")),
    )
    op.create_index(op.f("ix_oauth_grant_provider_id"), "oauth_grant", ["provider_id"])
    # SQLite adds a column with its reference only in one statement; PostgreSQL takes the same.
    op.execute(
        "ALTER TABLE channel ADD COLUMN grant_id INTEGER "
        "CONSTRAINT fk_channel_grant_id_oauth_grant REFERENCES oauth_grant (id)"
    )
    op.create_index(op.f("ix_channel_grant_id"), "channel", ["grant_id"], unique=True)
    op.create_table(
        "oauth_sign_in",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state_digest", sa.String(64), nullable=True),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Integer(), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["oauth_provider.id"], name=op.f("fk_oauth_sign_in_provider_id_oauth_provider")
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_oauth_sign_in_agent_id_agent")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_oauth_sign_in_channel_id_channel")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["oauth_grant.id"], name=op.f("fk_oauth_sign_in_grant_id_oauth_grant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_sign_in")),
        sa.UniqueConstraint("state_digest", name=op.f("uq_oauth_sign_in_state_digest")),
    )
    op.create_index(op.f("ix_oauth_sign_in_provider_id"), "oauth_sign_in", ["provider_id"])
