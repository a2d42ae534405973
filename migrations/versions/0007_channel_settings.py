"""What a channel can be told besides its servers: signature, language, sent copies, a forward and its check.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel", sa.Column("signature", sa.Text(), nullable=False, server_default=""))
    op.add_column("channel", sa.Column("locale", sa.String(5), nullable=False, server_default=""))
    op.add_column("channel", sa.Column("only_unseen", sa.Boolean(), nullable=False, server_default="0"))
    op.add_column("channel", sa.Column("keep_sent", sa.Boolean(), nullable=False, server_default="0"))
    op.add_column("channel", sa.Column("forwarded_from", sa.String(254), nullable=False, server_default=""))
    op.add_column("channel", sa.Column("forward_probe", sa.String(255), nullable=False, server_default=""))
    op.add_column("channel", sa.Column("forward_sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("channel", sa.Column("forward_back_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbound_mail", sa.Column("sent_copy", sa.String(10), nullable=False, server_default=""))
    op.create_index("ix_outbound_mail_sent_copy", "outbound_mail", ["sent_copy"])
