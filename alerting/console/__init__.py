"""The triage console and its JSON API: what analysts look at, and where they act."""
