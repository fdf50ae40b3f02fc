"""The command line: every command parses its options, makes one call and prints the result."""
