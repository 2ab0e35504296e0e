"""What a model is asked about a request: prompts as files with versions, and the only shapes that a reply may have."""
