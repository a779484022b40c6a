"""Simulated vehicles and their traffic, and attacks on simulated or recorded traffic."""
