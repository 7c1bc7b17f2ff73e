"""Records: bytes of the purchases log, decoded into columns."""
