"""Related tickets are found from both ends; the name that a client gave is not kept.

Revision: 0008, after 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_ticket_continues_id"), "ticket", ["continues_id"])
    op.create_index(op.f("ix_ticket_maybe_id"), "ticket", ["maybe_id"])
    op.execute("ALTER TABLE inbound_mail DROP COLUMN helo")
