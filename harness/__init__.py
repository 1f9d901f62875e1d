"""What is decided: proofs, evidence, findings and reports."""
