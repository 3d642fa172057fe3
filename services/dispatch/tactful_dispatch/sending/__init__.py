"""From a message that may leave to what came of it."""
