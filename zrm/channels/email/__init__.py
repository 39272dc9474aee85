"""E-mail: our own SMTP door, IMAP mailboxes, real-world MIME, and answers by SMTP or into a folder."""
