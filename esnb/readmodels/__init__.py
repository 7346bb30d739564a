"""The read side: projections, the projector that keeps them up to date, and how far they lag."""
