"""What WhatsApp messages cost: Meta's billing of each, the tenant's rates, sums."""
