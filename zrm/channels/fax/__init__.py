"""Fax: TIFF from HylaFAX or Asterisk, by HTTP or by a spool folder; kept as received."""
