"""What goes into a paper: LaTeX tables, CSV files, figures, and published results beside ours."""
