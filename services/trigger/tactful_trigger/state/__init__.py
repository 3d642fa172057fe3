"""What trigger keeps of a partition: rows, the cursor, due instants, lines of history. Pure."""
