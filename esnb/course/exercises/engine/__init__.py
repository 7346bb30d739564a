"""How an exercise is judged: what an answer is given, how long it may take, what is said of it."""
