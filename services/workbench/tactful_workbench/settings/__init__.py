"""The settings file: reading, changing and telling what it says in vain."""
