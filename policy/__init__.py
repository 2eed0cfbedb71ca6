"""The policy pack: what no stack of this project may do, checked by the engine before it is done."""
