"""The demonstration's parts: what it starts, what it reads, and how it judges and tells what came out."""
