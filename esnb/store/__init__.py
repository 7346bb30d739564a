"""The event store: one file, its lock, what is appended, and how it is read back."""
