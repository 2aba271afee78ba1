"""What continuous integration reads: JUnit XML and the summary of a pull request."""
