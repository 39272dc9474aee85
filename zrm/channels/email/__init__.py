"""E-mail: an SMTP door of our own, MIME as the world writes it, and answers by SMTP or into a folder."""
