"""dotagent runs scheduled scripts and tells people what happened."""

__version__ = "0.2.0"
