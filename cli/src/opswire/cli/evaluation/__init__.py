"""`opswire eval` and `opswire tokens`: asking the intent service's own programs, and showing what they found."""
