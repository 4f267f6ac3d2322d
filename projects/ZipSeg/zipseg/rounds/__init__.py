"""Self-training in rounds: label, train, relabel, merge, train again."""
