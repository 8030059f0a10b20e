"""The crash matrix: the cashier is killed at each named point of a withdrawal, on each currency."""
