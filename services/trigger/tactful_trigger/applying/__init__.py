"""What one slice of records does to the customers of a partition, in order. Pure."""
