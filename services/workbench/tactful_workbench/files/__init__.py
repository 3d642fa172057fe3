"""Files that other tools export: events, customer ids, lists of addresses."""
