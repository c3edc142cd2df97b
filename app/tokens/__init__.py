"""Keys and their rotation, approval tokens, client authentication."""
