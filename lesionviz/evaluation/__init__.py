"""How good a classifier is, in figures and pictures."""
