"""Settings: environment variables and their meaning, and the page that lists them."""
