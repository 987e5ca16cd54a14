"""E-mail over a relay: how a mail is written and signed, and how it is handed over."""
