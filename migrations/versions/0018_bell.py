"""Events have a side in the browser beside the one by mail, and agents choose for each.

What waits for a mail and what rings are few among many rows: each has an index of its own.

Revision: 0018, after 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent", sa.Column("bell", sa.String(10), nullable=False, server_default="all"))
    op.drop_index("ix_notice_item_mail_id", "notice_item")
    op.drop_index("ix_notice_item_agent", "notice_item")
    with op.batch_alter_table("notice_item") as batch_op:
        batch_op.add_column(sa.Column("bell", sa.String(20), nullable=False, server_default="off"))
        batch_op.alter_column("due_at", existing_type=sa.DateTime(timezone=True), nullable=True)
    op.create_index("ix_notice_item_agent", "notice_item", ["agent_id", "created_at"])
    for name, columns, rows in (
        ("mail_id", ["mail_id"], "mail_id IS NOT NULL"),
        ("waits", ["agent_id", "due_at"], "mail_id IS NULL AND due_at IS NOT NULL"),
        ("rings", ["agent_id", "id"], "bell = 'unread'"),
    ):
        where = sa.text(rows)
        op.create_index(
            f"ix_notice_item_{name}", "notice_item", columns, sqlite_where=where, postgresql_where=where
        )
