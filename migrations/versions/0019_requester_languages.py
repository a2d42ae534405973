"""Languages of requesters beside our own, and the line above the quotation in a text of the ticket reply.

Revision: 0019, after 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "requester_language",
        sa.Column("locale", sa.String(5), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column(
        "notice_text", sa.Column("quote_line", sa.String(200), nullable=False, server_default="")
    )
