"""The embedded size: everything in one process over one file."""
