"""Diagnosis: a service looked over from outside; each finding says what to do."""
