"""The bus, the history's database and the inventory, as the use cases need them."""
