"""Real event logs to practise on."""
