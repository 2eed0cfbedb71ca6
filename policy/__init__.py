"""The policy pack: how rules see resources, and how the engine runs them before it acts. The rules are in rules/."""
