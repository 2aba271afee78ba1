"""What is done with suites besides asking them: lint, verify, export, contact sheets."""
