"""Changes that take two people, where a tenant asks for that: proposed by one, approved by another."""
