"""What is claimed: statements, proofs and witnesses as SymPy objects. This floor imports nothing of ours."""
