"""Where purchases come from: one file per source, and the sender that puts them on the topic."""
