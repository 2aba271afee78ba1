"""What is made of records: frames and cells, estimates with their intervals, comparisons, and everything else that a gap document holds."""
