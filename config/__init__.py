"""The configuration: what can be set, how it is read, and the files of the currencies."""
