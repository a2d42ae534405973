"""Groups of agents, and the channels that are theirs.

Revision: 0021, after 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("name_fold", sa.String(160), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_group")),
        sa.UniqueConstraint("name_fold", name=op.f("uq_agent_group_name_fold")),
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["agent_group.id"], name=op.f("fk_group_member_group_id_agent_group")
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_group_member_agent_id_agent")),
        sa.PrimaryKeyConstraint("group_id", "agent_id", name=op.f("pk_group_member")),
    )
    # SQLite adds a column with its reference only in one statement; PostgreSQL takes the same.
    op.execute(
        "ALTER TABLE channel ADD COLUMN group_id INTEGER "
        "CONSTRAINT fk_channel_group_id_agent_group REFERENCES agent_group (id)"
    )
    op.create_index(op.f("ix_channel_group_id"), "channel", ["group_id"])
