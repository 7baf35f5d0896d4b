"""VaaniSetu: a multi-tenant voice-agent service for Indian languages."""

__version__ = "0.1.0"
