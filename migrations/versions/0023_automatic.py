"""What brakes count: automatic mails of the last day, and confirmations that were withheld.

Revision: 0023, after 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

WITHHELD = "kind IN ('confirmation_withheld', 'confirmation_withheld_domain', 'confirmation_withheld_total')"


def upgrade() -> None:
    automatic = sa.column("automatic", sa.Boolean()).is_(True)
    op.create_index(
        "ix_outbound_recipient_automatic",
        "outbound_recipient",
        ["created_at", "address_key", "state", "automatic"],
        sqlite_where=automatic,
        postgresql_where=automatic,
    )
    op.create_index(
        "ix_ticket_event_withheld",
        "ticket_event",
        ["at"],
        sqlite_where=sa.text(WITHHELD),
        postgresql_where=sa.text(WITHHELD),
    )
