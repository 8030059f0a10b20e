"""The signer: a process of its own, the only holder of seeds.

``python -m coins.signer --config FILE`` decrypts the seed once and answers on a unix socket; the
rest of the cashier talks to it through :mod:`coins.signer.client` and runs it by
:mod:`coins.signer.process`. It never believes what it is asked to sign: each family decodes it and
compares it with the plan, and the signer keeps limits of its own.
"""
