"""The commands, one module for each group; what they need is imported when they run, so that help is fast."""
