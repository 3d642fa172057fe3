"""A year of a real shop to try the product with: real orders, and made-up visits around them."""
