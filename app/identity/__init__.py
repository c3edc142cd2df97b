"""The institution's provider: outgoing HTTP, OpenID Connect relying party, and the strict judge of ID tokens."""
