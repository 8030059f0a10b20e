"""The main job on real regtest nodes, shown to a person: `make demo`."""
