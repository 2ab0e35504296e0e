"""One file for each message that the intent service takes."""
