"""The mail room: what the ledger shows, counts and keeps, and who is blocked.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

# Counted by the database itself, apart from the verdicts, so that the balance can fail.
# A migration that rebuilds inbound_mail on SQLite (batch mode) drops the trigger: make it again there.
COUNT_SEEN = {
    "sqlite": [
        """CREATE TRIGGER count_seen AFTER INSERT ON inbound_mail BEGIN
             INSERT INTO ledger_count (channel_id, seen, findings) SELECT NEW.channel_id, 0, '{}'
               WHERE NOT EXISTS (SELECT 1 FROM ledger_count WHERE channel_id = NEW.channel_id);
             UPDATE ledger_count SET seen = seen + 1 WHERE channel_id = NEW.channel_id;
           END""",
    ],
    "postgresql": [
        """CREATE FUNCTION count_seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO ledger_count (channel_id, seen, findings) VALUES (NEW.channel_id, 1, '{}')
               ON CONFLICT (channel_id) DO UPDATE SET seen = ledger_count.seen + 1;
             RETURN NULL;
           END $$""",
        "CREATE TRIGGER count_seen AFTER INSERT ON inbound_mail FOR EACH ROW EXECUTE FUNCTION count_seen()",
    ],
}


def upgrade() -> None:
    op.create_table('blocked_sender',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('pattern', sa.String(length=320), nullable=False),
    sa.Column('stopped', sa.Integer(), nullable=False),
    sa.Column('last_stopped_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('agent_id', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['agent_id'], ['agent.id'], name=op.f('fk_blocked_sender_agent_id_agent')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_blocked_sender')),
    sa.UniqueConstraint('pattern', name=op.f('uq_blocked_sender_pattern'))
    )
    op.create_table('inbound_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('inbound_id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('words', sa.Text(), nullable=False),
    sa.Column('agent_id', sa.Integer(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['agent_id'], ['agent.id'], name=op.f('fk_inbound_event_agent_id_agent')),
    sa.ForeignKeyConstraint(['inbound_id'], ['inbound_mail.id'], name=op.f('fk_inbound_event_inbound_id_inbound_mail')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_event'))
    )
    op.create_index(op.f('ix_inbound_event_inbound_id'), 'inbound_event', ['inbound_id'])
    op.create_table('ledger_count',
    sa.Column('channel_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('seen', sa.BigInteger(), nullable=False),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('findings', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['channel_id'], ['channel.id'], name=op.f('fk_ledger_count_channel_id_channel')),
    sa.PrimaryKeyConstraint('channel_id', name=op.f('pk_ledger_count'))
    )
    # Plain ADD COLUMN and indexes, no batch mode: a large table is not copied, and keeps its triggers.
    op.add_column('account', sa.Column('keep_raw_days', sa.Integer(), nullable=False, server_default='30'))
    op.add_column('inbound_mail', sa.Column('arrived_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('inbound_mail', sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('inbound_mail', sa.Column('put_back_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('inbound_mail', sa.Column('raw', sa.String(length=20), nullable=False, server_default='kept'))
    op.execute("UPDATE inbound_mail SET removed_at = filed_at WHERE server_copy IN ('deleted', 'moved', 'kept')")
    op.create_index('ix_inbound_mail_balance', 'inbound_mail', ['channel_id', 'outcome', 'id'])
    here = sa.text("raw <> 'gone' AND sha256 <> ''")
    op.create_index('ix_inbound_mail_raw', 'inbound_mail', ['id'], sqlite_where=here, postgresql_where=here)
    op.create_index(op.f('uq_message_inbound_id'), 'message', ['inbound_id'], unique=True)
    op.execute(
        "INSERT INTO ledger_count (channel_id, seen, findings) "
        "SELECT channel_id, count(*), '{}' FROM inbound_mail GROUP BY channel_id"
    )
    for statement in COUNT_SEEN[op.get_bind().dialect.name]:
        op.execute(statement)
