"""Changes by hand overtake a bulk import in the outbox; on PostgreSQL, names are ordered as SQLite orders them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME_KEY = sa.String(512)


def upgrade() -> None:
    """Add the lane and what finds the rows of one asset; rows that wait already are changes by hand."""
    op.add_column("outbox", sa.Column("lane", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_index("ix_outbox_lane_id", "outbox", ["lane", "id"])
    op.create_index("ix_outbox_subject", "outbox", ["subject"])
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("assets", "name_key", type_=sa.String(512, collation="C"), existing_type=_NAME_KEY)


def downgrade() -> None:
    """Forget the lanes; every row still waits."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("assets", "name_key", type_=_NAME_KEY, existing_type=sa.String(512, collation="C"))
    op.drop_index("ix_outbox_subject", "outbox")
    op.drop_index("ix_outbox_lane_id", "outbox")
    op.drop_column("outbox", "lane")
