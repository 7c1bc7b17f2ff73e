"""Replenishment alerts: when one is planned, raised and closed, and the events that say so."""
