"""Fused operators, one folder each: the reference, the fast versions, and the operator that chooses between them."""
