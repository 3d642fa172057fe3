"""What dispatch keeps: rows, the consent ledger, addresses without the address. Pure."""
