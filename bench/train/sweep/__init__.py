"""A sweep: every reward with every seed from one start, and the tables that compare them."""
