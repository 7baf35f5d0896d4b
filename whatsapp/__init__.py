"""The pywa adapter: templates, outbox and delivery over the WhatsApp Cloud API."""
