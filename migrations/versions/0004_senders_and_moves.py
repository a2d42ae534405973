"""Whether the sender wrote a mail; tickets that became part of others, and the way back.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message") as batch_op:
        batch_op.add_column(
            sa.Column("sender_state", sa.String(20), nullable=False, server_default="unchecked")
        )
        batch_op.add_column(sa.Column("sender_proof", sa.String(100), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("refuted", sa.Boolean(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("posing", sa.Boolean(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("forwarded_from", sa.JSON(), nullable=True))
    with op.batch_alter_table("inbound_mail") as batch_op:
        batch_op.add_column(sa.Column("peer", sa.String(60), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("helo", sa.String(255), nullable=False, server_default=""))
    with op.batch_alter_table("channel") as batch_op:
        batch_op.add_column(sa.Column("authserv_id", sa.String(255), nullable=False, server_default=""))
    # In words that both databases know: a copy of the table, as batches make it, would take the messages along.
    op.execute(
        "ALTER TABLE ticket ADD COLUMN merged_into_id INTEGER "
        "CONSTRAINT fk_ticket_merged_into_id_ticket REFERENCES ticket (id)"
    )
    op.create_index(op.f("ix_ticket_merged_into_id"), "ticket", ["merged_into_id"])
    op.create_table(
        "ticket_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("target_id", sa.Integer(), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("before", sa.String(20), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_ticket_move_agent_id_agent")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["ticket.id"], name=op.f("fk_ticket_move_source_id_ticket"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["ticket.id"], name=op.f("fk_ticket_move_target_id_ticket"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_move")),
    )
    op.create_index(op.f("ix_ticket_move_source_id"), "ticket_move", ["source_id"])
    op.create_index(op.f("ix_ticket_move_target_id"), "ticket_move", ["target_id"])
