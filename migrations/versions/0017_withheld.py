"""How often in a row a server did not hand out every mail whole.

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel", sa.Column("withheld", sa.Integer(), nullable=False, server_default="0"))
