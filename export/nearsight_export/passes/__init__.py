"""Compression passes: each takes a model and a desk and gives a model and a report of what it did."""
