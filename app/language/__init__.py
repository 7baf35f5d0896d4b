"""Language packs, identification, numbers and rendering."""
