"""Virtual time: the whole product in memory, moved on by hand."""
