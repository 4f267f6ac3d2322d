"""Pictures of what the method sees and finds."""
