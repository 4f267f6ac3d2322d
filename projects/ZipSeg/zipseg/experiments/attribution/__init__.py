"""Where objects get lost: every annotated object is found, or lost at exactly one stage of Zip."""
