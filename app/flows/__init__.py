"""A tenant's own flows: versions, from draft over approval to live, and back."""
