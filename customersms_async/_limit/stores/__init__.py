"""Stores of a shared limiter: a file, Redis or PostgreSQL, behind one port."""
