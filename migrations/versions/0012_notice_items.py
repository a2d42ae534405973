"""Events wait for their readers, so that many of them become one mail; notices per channel.

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_item",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("notice", sa.String(40), nullable=False),
        sa.Column("agent_id", sa.Integer(), sa.ForeignKey("agent.id", ondelete="CASCADE")),
        sa.Column("ticket_id", sa.Integer(), sa.ForeignKey("ticket.id", ondelete="CASCADE"), nullable=False),
        sa.Column("about_id", sa.Integer(), sa.ForeignKey("message.id", ondelete="CASCADE")),
        sa.Column("actor_id", sa.Integer(), sa.ForeignKey("agent.id")),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mail_id", sa.Integer(), sa.ForeignKey("outbound_mail.id", ondelete="CASCADE")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_notice_item_ticket_id", "notice_item", ["ticket_id"])
    op.create_index("ix_notice_item_mail_id", "notice_item", ["mail_id"])
    op.create_index("ix_notice_item_agent", "notice_item", ["agent_id", "mail_id", "created_at"])
    op.create_table(
        "notice_silence",
        sa.Column("notice", sa.String(40), primary_key=True),
        sa.Column(
            "channel_id", sa.Integer(), sa.ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True
        ),
    )
