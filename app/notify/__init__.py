"""What the service tells people: facts become mails (pure), mails become bytes (pure), bytes go out by SMTP."""
