"""When a mail arrived at its server, whether it has words, and what a spam filter said of it.

Of mail that is there, the ledger knows the arrival: what IMAP servers said, and else when we got it.

Revision: 0025, after 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

OF_MESSAGES = """
UPDATE message SET arrived_at = (
    SELECT CASE WHEN inbound_mail.arrived_at < inbound_mail.received_at
        THEN inbound_mail.arrived_at ELSE inbound_mail.received_at END
    FROM inbound_mail WHERE inbound_mail.id = message.inbound_id
) WHERE inbound_id IS NOT NULL
"""
# The mail that opened a ticket is its first since then; one that was split off has none.
OF_TICKETS = """
UPDATE ticket SET arrived_at = (
    SELECT message.arrived_at FROM message
    WHERE message.ticket_id = ticket.id AND message.created_at >= ticket.created_at
        AND message.arrived_at <= ticket.created_at
    ORDER BY message.id LIMIT 1
), last_arrived_at = (
    SELECT message.arrived_at FROM message
    WHERE message.ticket_id = ticket.id AND message.kind <> 'note'
    ORDER BY message.id DESC LIMIT 1
)
"""


def upgrade() -> None:
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("spam_report", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("ticket") as table:
        table.add_column(sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("last_arrived_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("wordless", sa.Boolean(), nullable=False, server_default="0"))
    op.execute(OF_MESSAGES)
    op.execute(OF_TICKETS)
