"""ZRM, citiZen Relationship Management: every citizen's contact becomes a case that an agent or a unit owns."""

__version__ = "0.1.0"
