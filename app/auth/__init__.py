"""Who is calling the API: keys, scopes and the subject they resolve to."""
