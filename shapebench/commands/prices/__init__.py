"""What machine types and node shapes cost, and what they may cost in use before any is measured."""
