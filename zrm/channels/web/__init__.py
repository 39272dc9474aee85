"""The web door: the citizen's portal (form, receipt, tracking) and the same contacts as JSON for integrators."""
