"""How the executor reaches the world: one file per protocol, and the table of tools."""
