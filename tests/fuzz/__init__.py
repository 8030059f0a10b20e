"""Random traffic and faults on real nodes, judged by the chains themselves."""
