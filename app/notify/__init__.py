"""From events to mails: rendering (pure), MIME, SMTP, calendar parts."""
