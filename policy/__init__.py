"""The policy pack: rules that every resource of a stack must keep, checked by the engine before it acts."""
