"""Going live: what a tenant still lacks, who may ring an agent before, and what callers hear until then."""
