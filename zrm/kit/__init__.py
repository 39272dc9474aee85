"""The ground level: database, clock, ids, blobs, text. It knows no terms of the contact centre."""
