"""İYS, the Turkish registry of consents: records out, and what citizens said there in."""
