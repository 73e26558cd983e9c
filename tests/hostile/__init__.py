"""Input that is damaged or meant to do damage: refused, or harmless."""
