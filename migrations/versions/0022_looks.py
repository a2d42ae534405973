"""Templates of our mails; the signatures of channels become templates of their own.

Revision: 0022, after 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ACCENT, LOGO_HEIGHT = "#ffcb05", 40
LONGEST_NAME = 80


def upgrade() -> None:
    op.create_table(
        "mail_look",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("name_fold", sa.String(160), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("accent", sa.String(7), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("footer", sa.Text(), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=False),
        sa.Column("logo_alt", sa.String(200), nullable=False),
        sa.Column("logo_height", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_look")),
        sa.UniqueConstraint("name_fold", name=op.f("uq_mail_look_name_fold")),
    )
    op.execute(
        "ALTER TABLE channel ADD COLUMN look_id INTEGER "
        "CONSTRAINT fk_channel_look_id_mail_look REFERENCES mail_look (id)"
    )
    op.create_index(op.f("ix_channel_look_id"), "channel", ["look_id"])
    _fill()
    op.drop_column("channel", "signature")


def _fill() -> None:
    """The default, and a template for every signature, named for the first channel that has it."""
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT id FROM account")).first() is None:
        return  # the set-up makes the default
    _insert("Standard", "", True)
    channel = sa.table("channel", *map(sa.column, ("id", "key", "signature", "look_id", "deleted_at")))
    rows = connection.execute(
        sa.select(channel.c.id, channel.c.key, channel.c.signature).order_by(
            channel.c.deleted_at.is_not(None), channel.c.id
        )
    ).all()
    taken, looks = {"standard"}, {}
    for number, key, signature in rows:
        signature = signature.strip().replace("{{", "{ {").replace("}}", "} }")  # it was plain text
        if not signature:
            continue
        if signature not in looks:
            name, count = key, 1
            while name.casefold() in taken:
                count += 1
                name = f"{key[: LONGEST_NAME - 5]} {count}"
            taken.add(name.casefold())
            looks[signature] = _insert(name, signature, False)
        connection.execute(
            sa.update(channel).where(channel.c.id == number).values(look_id=looks[signature])
        )


def _insert(name: str, signature: str, is_default: bool) -> int:
    columns = ("id", "name", "name_fold", "accent", "signature", "footer", "logo_alt", "logo_height")
    look = sa.table(
        "mail_look",
        *map(sa.column, columns),
        sa.column("is_default", sa.Boolean()),
        sa.column("logo", sa.LargeBinary()),
    )
    connection = op.get_bind()
    connection.execute(
        sa.insert(look).values(
            name=name,
            name_fold=name.casefold(),
            is_default=is_default,
            accent=ACCENT,
            signature=signature,
            footer="",
            logo=b"",
            logo_alt="",
            logo_height=LOGO_HEIGHT,
        )
    )
    found = connection.execute(sa.select(look.c.id).where(look.c.name_fold == name.casefold()))
    return int(found.scalar_one())
