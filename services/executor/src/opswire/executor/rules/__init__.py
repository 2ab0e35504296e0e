"""Pure rules and shapes that use cases and adapters share: what may be contacted and read, and what a tool is."""
