"""A mock of the National SOC's receiving end: an independent HTTP server that knows nothing of the rest.

`schema/` holds the published JSON Schemas of the messages, `ledger` what was received and how it was answered, `page` the
page for people, `server` the HTTP side.
"""
