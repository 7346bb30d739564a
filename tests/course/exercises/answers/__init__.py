"""The proof of the bank: for each notebook of exercises a table of answers, right and wrong."""
