"""What the panels simulate and draw: one file per lesson; in it each simulation is described once."""
