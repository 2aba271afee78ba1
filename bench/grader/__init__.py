"""How an answer is read from what a model wrote. `bench.grader.grade.grade` is the way in."""
