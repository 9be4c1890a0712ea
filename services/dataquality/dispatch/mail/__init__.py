"""From the table of mails to the mail server."""
