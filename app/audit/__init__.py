"""Who did what to which id: append-only and hash-chained."""
