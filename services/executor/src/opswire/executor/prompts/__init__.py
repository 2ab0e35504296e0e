"""The prompts of the executor, as files with versions, and how untrusted text is put into them."""
