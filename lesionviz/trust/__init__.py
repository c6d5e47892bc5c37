"""Checks of one answer that a person can play with: its set, its map, whether it holds still, what if, a second model."""
