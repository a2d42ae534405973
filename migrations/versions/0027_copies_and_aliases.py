"""Further addresses of a channel, and mails that are filed in more than one ticket.

Revision: 0027, after 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_alias",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("address_key", sa.String(254), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("fk_channel_alias_channel_id_channel")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_alias")),
        sa.UniqueConstraint("address_key", name=op.f("uq_channel_alias_address_key")),
    )
    op.create_index(op.f("ix_channel_alias_channel_id"), "channel_alias", ["channel_id"])
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("written_to", sa.String(254), nullable=False, server_default=""))
    # SQLite adds a column with its reference only in one statement; PostgreSQL takes the same.
    op.execute(
        "ALTER TABLE message ADD COLUMN copy_of_id INTEGER "
        "CONSTRAINT fk_message_copy_of_id_message REFERENCES message (id) ON DELETE SET NULL"
    )
    for name, columns in (
        ("ix_message_copy_of", ["copy_of_id", "ticket_id"]),
        ("ix_message_ticket_copies", ["ticket_id", "copy_of_id"]),
    ):
        copies = sa.text("copy_of_id IS NOT NULL")
        op.create_index(name, "message", columns, sqlite_where=copies, postgresql_where=copies)
