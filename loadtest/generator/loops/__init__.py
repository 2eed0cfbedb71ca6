"""When requests are sent: closed loop, open loop, warm-up. What they contain and how they are sent is clients/."""
