"""When requests are sent: closed loop, open loop, warm-up."""
