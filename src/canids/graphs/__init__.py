"""Frames → windows → graphs whose features are relative to the vehicle."""
