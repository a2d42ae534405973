"""Who wrote: by the name in the mail, behind a list or a form; and channels whose customers stand in Reply-To.

Revision: 0026, after 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# A ticket's requester is called as in their first mail there. Where an agent chose somebody else, the contact's
# name stands, as before.
NAMES = """
    UPDATE ticket SET requester_name = coalesce((
        SELECT substr(message.from_name, 1, 200) FROM message JOIN contact ON contact.address = message.from_address
        WHERE message.ticket_id = ticket.id AND contact.id = ticket.contact_id AND message.kind = 'inbound'
        ORDER BY message.id LIMIT 1
    ), '')
"""


def upgrade() -> None:
    with op.batch_alter_table("ticket") as table:
        table.add_column(sa.Column("requester_name", sa.String(200), nullable=False, server_default=""))
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("through", sa.String(320), nullable=False, server_default=""))
    with op.batch_alter_table("channel") as table:
        table.add_column(
            sa.Column("requester_from_reply_to", sa.Boolean(), nullable=False, server_default="0")
        )
    op.execute(NAMES)
