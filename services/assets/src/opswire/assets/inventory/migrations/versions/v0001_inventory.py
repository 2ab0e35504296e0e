"""Assets, the indexes over their names, groups and tags, and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "assets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("name_key", sa.String(512), nullable=False),
        sa.Column("type", sa.String(256), nullable=False),
        sa.Column("environment", sa.String(256), nullable=False),
        sa.Column("criticality", sa.String(16), nullable=False),
        sa.Column("address", sa.String(256)),
        sa.Column("owner", sa.String(2048)),
        sa.Column("site", sa.String(2048)),
        sa.Column("os", sa.String(2048)),
        sa.Column("parent_key", sa.String(512)),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assets"),
        sa.UniqueConstraint("name_key", name="uq_assets_name_key"),
    )
    op.create_index("ix_assets_address", "assets", ["address"])
    op.create_index("ix_assets_parent_key", "assets", ["parent_key"])
    op.create_index("ix_assets_environment_type", "assets", ["environment", "type"])
    _create_owned("asset_names", sa.Column("kind", sa.String(8), nullable=False))
    _create_owned("asset_groups")
    _create_owned("asset_tags")
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        sqlite_autoincrement=True,
    )


def _create_owned(name: str, *columns: sa.Column[str]) -> None:
    op.create_table(
        name,
        sa.Column("asset_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(512), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("asset_id", "key", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=f"fk_{name}_asset_id_assets", ondelete="CASCADE"),
    )
    op.create_index(f"ix_{name}_key", name, ["key"])


def downgrade() -> None:
    """Drop all tables. What they hold is lost."""
    for name in ("outbox", "asset_tags", "asset_groups", "asset_names", "assets"):
        op.drop_table(name)
