"""One file for each message that the assets service takes."""
