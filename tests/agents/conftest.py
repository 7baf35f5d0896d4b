from tests.house import house, packs

__all__ = ["house", "packs"]
