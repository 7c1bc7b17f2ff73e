"""Diagnosis: examination of a service from outside. Each finding says what to do."""
