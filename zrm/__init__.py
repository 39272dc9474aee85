"""ZRM, citiZen Relationship Management: every citizen's contact becomes a case that somebody owns."""

__version__ = "0.1.0"
