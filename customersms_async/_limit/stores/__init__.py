"""Where a limiter keeps its values: memory, a file, Redis or PostgreSQL, each behind one port."""
