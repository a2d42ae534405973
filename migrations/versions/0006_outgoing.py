"""A person can put a failed mail aside.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('outbound_mail', sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True))
