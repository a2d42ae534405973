"""What a mail shows besides its words: a history above the new text, invitations, seals, attached mails.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message") as batch_op:
        batch_op.add_column(sa.Column("opening", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("images_shown", sa.Boolean(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("invitation", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("seals", sa.JSON(), nullable=True))
    with op.batch_alter_table("attachment") as batch_op:
        batch_op.add_column(sa.Column("letter", sa.JSON(), nullable=True))
