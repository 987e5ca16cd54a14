"""HTTP in: the JSON API and the providers' callbacks."""
