"""Sections of `benchmarks/RESULTS.md`, a module for each group: figures in, parts of Markdown out."""
