"""The demonstration behind `vaanisetu run`: everything started, a tenant seeded over REST, five calls, their report."""
