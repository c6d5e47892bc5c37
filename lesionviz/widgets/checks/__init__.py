"""Can I trust this answer? Checks of the answer on view that a person starts and reads, each a section of its own."""
