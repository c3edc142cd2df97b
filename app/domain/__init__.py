"""What is true without input or output: rules, words, arithmetic. Standard library only."""
