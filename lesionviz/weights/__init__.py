"""Weights from files of every kind: reading what may be hostile, and finding the network in what was read."""
