"""Plivo: answer XML, signatures, the media stream and the REST client."""
