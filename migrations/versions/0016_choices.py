"""What agents choose to hear of by mail, and when.

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, length, default in (
        ("notify", 10, "all"),
        ("digest", 10, ""),
        ("work_days", 7, ""),
        ("work_begin", 5, ""),
        ("work_end", 5, ""),
    ):
        op.add_column("agent", sa.Column(name, sa.String(length), nullable=False, server_default=default))
