"""Campaigns that survive a crash, on SQLite or PostgreSQL: each message once."""
