"""Training: one data module, Lightning modules, and a trainer for each mode."""
