"""What a record does to the rows of its customer and of their addresses, in one transaction. Pure but for the workspace."""
