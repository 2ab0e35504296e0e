"""How well requests are understood: labelled requests in, figures out."""
