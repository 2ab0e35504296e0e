"""One file for each message that the executor takes."""
