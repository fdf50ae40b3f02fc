"""The command line: parses and prints, one call per command."""
