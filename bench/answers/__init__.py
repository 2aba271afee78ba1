"""How an answer is read from what a model wrote. `bench.grader` is the way in."""
