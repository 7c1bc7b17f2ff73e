"""Operations: what one does to a service from outside; functions that return values and draw nothing."""
