"""Who mends a trouble of a channel, and mails about troubles, which take any way out that works.

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "incident", sa.Column("needs_person", sa.Boolean(), nullable=False, server_default="0")
    )
    op.create_index("ix_incident_untold", "incident", ["told_end_at", "ended_at"])
    op.add_column("outbound_mail", sa.Column("incidents", sa.JSON(), nullable=True))
