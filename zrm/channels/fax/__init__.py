"""Fax: TIFF handed over by HylaFAX or Asterisk, by HTTP or by a spool folder; kept as received."""
