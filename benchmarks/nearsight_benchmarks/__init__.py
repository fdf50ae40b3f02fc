"""Latency, size, memory and accuracy of every variant and runtime beside the peers, and the report."""
