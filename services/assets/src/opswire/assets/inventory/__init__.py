"""The inventory: tables, migrations, and the store with its outbox."""
