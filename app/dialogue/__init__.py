"""From an understanding to a reply: frames, policy, escalation, tools."""
