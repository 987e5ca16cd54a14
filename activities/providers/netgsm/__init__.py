"""NetGSM: texts to Turkish numbers out, delivery reports in, and what its codes mean for us."""
