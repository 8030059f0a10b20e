"""The whole cashier from outside: real processes, real nodes, real HTTP."""
