"""Tables of trainings: rows declared in YAML, run once each, kept one file a row."""
