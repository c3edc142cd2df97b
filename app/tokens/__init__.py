"""Keys and what is signed or sealed with them: approval tokens, machine sign-in, secrets. No database."""
