"""Names that several processes of this service share."""

DRAIN_OUTBOX = "dataquality.drain_outbox"
CANARY = "dataquality.canary"
CLEAN_OUTBOX = "dataquality.clean_outbox"
SEND_MAIL = "dataquality.send_mail"
CLEAN_MAIL = "dataquality.clean_mail"
REDELIVER = "dataquality.redeliver"
SWEEP = "dataquality.sweep"
FORGET_ANSWERS = "dataquality.forget_answers"

CANARY_KEYS = {"worker": "dataquality:canary:worker", "beat": "dataquality:canary:beat"}
"""Where in Redis the worker says when the canary last ran, and beat when it was last scheduled (UTC, ISO 8601)."""
CANARY_MAX_AGE = 60
"""Seconds after which a canary that did not run again tells that something is wrong."""
