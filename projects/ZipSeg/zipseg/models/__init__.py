"""The three foundation models behind narrow interfaces: two CLIPs and SAM."""
