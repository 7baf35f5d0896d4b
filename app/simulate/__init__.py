"""A simulated carrier and caller at real time: they ring any server the way Plivo does."""
