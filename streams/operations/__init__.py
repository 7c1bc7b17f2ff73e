"""Operations: what a person does to a service from outside. Functions return values and draw nothing."""
