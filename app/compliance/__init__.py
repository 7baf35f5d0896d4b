"""Pure rules: disclosures, consent, suppression, redaction."""
