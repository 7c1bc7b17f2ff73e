"""Replenishment alerts: their planning, raising and closing, and their events."""
