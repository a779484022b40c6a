"""Log files → the canonical frame table."""
