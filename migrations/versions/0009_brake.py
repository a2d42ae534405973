"""A brake on unusually much mail, and what a person lets through it.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'outbound_mail', sa.Column('hurried', sa.Boolean(), nullable=False, server_default="0")
    )
    op.create_index('ix_outbound_mail_done', 'outbound_mail', ['channel_id', 'done_at'], unique=False)
