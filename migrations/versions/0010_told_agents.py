"""How often an agent was told lately is asked for every mail that comes in.

Revision: 0010, after 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbound_mail_agent", "outbound_mail", ["agent_id", "created_at"])
