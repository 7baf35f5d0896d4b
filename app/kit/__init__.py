"""Building blocks without a domain word: clock, ids, store, jobs, crypto, HTTP manners."""
