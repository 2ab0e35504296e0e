"""How the assets service reaches its inventory."""
