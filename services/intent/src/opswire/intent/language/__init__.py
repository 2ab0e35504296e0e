"""What the words of a request say: normal form, names, entities, slot template and risk floor."""
