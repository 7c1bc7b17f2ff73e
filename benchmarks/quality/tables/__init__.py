"""Sections of the report, one module each: what is asked, of whom, and who answers."""
