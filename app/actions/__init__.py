"""What the service does: one verb, one function, one transaction. No HTTP, no SQL, no settings here."""
