"""`opswire eval`: asking a service's own evaluation, and showing what it found."""
