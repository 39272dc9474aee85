"""The lab: real peers on loopback (Asterisk, HylaFAX, a browser, an SMTP server, a Twilio stand-in).

Each peer is started by the test that needs it, on free ports, and ends with it. `README.md` says how.
"""
