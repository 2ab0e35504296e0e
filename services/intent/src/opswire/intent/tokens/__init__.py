"""What the prompts of the model tier cost in tokens, counted by a real tokenizer without a network."""
