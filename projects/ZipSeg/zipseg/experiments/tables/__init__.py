"""Tables of what is measured: rows declared in YAML, run once each, kept one file a row."""
