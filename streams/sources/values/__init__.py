"""Values as people and programs write them: dates, times, numbers, currencies, identifiers."""
