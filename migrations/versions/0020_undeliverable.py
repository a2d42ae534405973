"""Contacts that mail does not reach.

Revision: 0020, after 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("undeliverable_since", sa.DateTime(timezone=True)))
    op.add_column(
        "contact", sa.Column("undeliverable_reason", sa.String(40), nullable=False, server_default="")
    )
    op.add_column("contact", sa.Column("came_back", sa.Boolean(), nullable=False, server_default="0"))
