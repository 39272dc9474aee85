"""The ground: database, clock, ids, blobs, pages. No word of the field lives here."""
